// What a newcomer asks, answered by clicks from the first page.

import { execFileSync } from 'node:child_process';
import { batches } from './emulator.mjs';
import { has, is, none, ok } from './tell.mjs';

const DAY = 24 * 3_600_000;

export async function wait(what, is_so) {
    for (let turn = 0; turn < 150; turn += 1) {
        if (await is_so()) return;
        await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error(`${what}: not within half a minute`);
}

// From the first page to the plan of an account, with a text searched for.
export async function search(page, account, text) {
    await page.goto('/');
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Plan' }).click();
    await page.getByRole('navigation', { name: 'Accounts' }).getByRole('link', { name: account, exact: true }).click();
    await page.getByLabel('Search').fill(text);
    await page.getByRole('button', { name: 'Show' }).click();
}

const card = (page, account) => page.getByRole('region', { name: new RegExp(`^${account}`) });
const main = (page) => page.locator('main').innerText();

// The value beside a word in a list of facts.
const fact = (within, word) => within.locator(`dt:text-is("${word}") + dd`);

export async function questions(world) {
    const context = await world.open();
    const page = await context.newPage();
    for (const question of [why_kept, goes_by_time, held, goes_next, full, last_run]) {
        await question(page, world);
    }
    await context.close();
}

async function why_kept(page) {
    await search(page, 'main', 'report-sales-4');
    await page.getByRole('link', { name: 'report-sales-4' }).click();
    is('Why is it kept? name', await page.locator('h1').innerText(), 'report-sales-4');
    is('Why is it kept? verdict', await page.locator('p.verdict .chip').innerText(), 'kept');
    has('Why is it kept? sentence', await page.locator('p.verdict').innerText(), /keep rule latest-reports/);
    const rule = page.locator('table.rules tr.rule', { hasText: 'keep latest-reports' });
    is('Why is it kept? the rule says', await rule.locator('.answer').innerText(), 'yes');
    has('Why is it kept? when it goes', await main(page), 'It stays: time alone does not change that.');
}

async function goes_by_time(page, world) {
    const all = await batches('main');
    // Idle since less than the week that the rule asks for.
    const young = [...all.values()].find((batch) => {
        const idle = Date.now() - Date.parse(batch.last_run);
        return batch.name?.startsWith('tmp-') && batch.status === 'idle' && batch.schedule_type === 'manual'
            && idle > DAY && idle < 6 * DAY;
    });
    await search(page, 'main', young.id);
    await page.getByRole('link', { name: young.name, exact: true }).click();
    const sentence = page.locator('p', { hasText: 'If nothing else changes, it may go from' });
    const times = await sentence.locator('time').evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
    const from = Math.floor((Date.parse(young.last_run) + 7 * DAY) / 1000) * 1000;
    is('When does it go? a week after its last run', Math.abs(times[0] - from) <= 1000, true);
    const status = await (await fetch(`${world.base}/api/v1/status`)).json();
    const next = Date.parse(status.accounts[0].next_run);
    const first = next + Math.max(0, Math.ceil((from - next) / DAY)) * DAY;
    is('When does it go? by the first run then', new Date(times[1]).toISOString(), new Date(first).toISOString());
    ok(`When does it go? ${await sentence.innerText()}`);
}

async function held(page, world) {
    await page.goto('/');
    await card(page, 'shop').getByRole('link', { name: /^1 held/ }).click();
    is('Which is held? rows', await page.locator('table.plan tbody tr').count(), 1);
    is('Which is held? id', await page.locator('table.plan code.id').innerText(), world.held);
    await page.locator('table.plan tbody th a').click();
    const notice = await page.locator('.notice.well').innerText();
    has('Which is held? by whom', notice, /^Held by hand until \w{3} \d{4}-\d\d-\d\d/);
    has('Which is held? why', notice, 'Mira needs it for the <b>audit</b>');
    const command = await page.locator('code.command', { hasText: 'release' }).innerText();
    has('Which is held? the command that lets go', command, `release ${world.held} --account shop`);
    world.release = command;
}

// Once nobody holds it any more, the next run has it.
async function goes_next(page, world) {
    execFileSync('bash', ['-c', world.release], { stdio: 'pipe' });
    await page.reload();
    is('When does it go? let go of', await page.locator('p.verdict .chip').innerText(), 'delete');
    const sentence = page.locator('p', { hasText: 'It goes in the next run' });
    const [time] = await sentence.locator('time').evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
    const status = await (await fetch(`${world.base}/api/v1/status`)).json();
    is('When does it go? in the next run', time, Date.parse(status.accounts[1].next_run));
    ok(`When does it go? ${await sentence.innerText()}`);
}

async function full(page) {
    await page.goto('/');
    for (const account of ['main', 'shop']) {
        const count = (await batches(account)).size;
        const text = await fact(card(page, account), 'Batches').innerText();
        has(`How full is it? ${account}`, text, `${count} of 10000 (${Math.floor(count / 100)} %)`);
    }
}

async function last_run(page, world) {
    await page.goto('/');
    const row = fact(card(page, 'shop'), 'Last run');
    has('What did the last run do?', await row.innerText(), /swept, \d+ deleted/);
    await row.getByRole('link').click();
    has('What did the last run do? proof', await fact(page, 'Proven').innerText(), 'by a last listing');
    await deleted(page, 'shop', 'What did the last run delete?');
    // One of them: gone, and why.
    const first = page.locator('table.deletions tbody tr').first();
    const rule = await first.locator('[data-label=Rule]').innerText();
    await first.getByRole('link').click();
    const text = await main(page);
    has('A batch that is gone', text, 'It is not in the last listing of this account any more.');
    has('A batch that is gone, why', text, new RegExp(`deleted, by rule ${rule}, in run`));
    world.gone = page.url();
}

// Each row of a run's page: the outcome, a rule of the file, and no such batch on the account.
async function deleted(page, account, what) {
    const left = await batches(account);
    const rows = await page.locator('table.deletions tbody tr').evaluateAll((rows) => rows.map((row) => ({
        id: row.querySelector('code.id').innerText,
        rule: row.querySelector('[data-label=Rule]').innerText,
        outcome: row.querySelector('[data-label=Outcome]').innerText,
    })));
    is(`${what} rows`, rows.length > 0, true);
    const went = rows.filter((row) => row.outcome === 'deleted');
    none(`${what} ${went.length} deleted are gone`, went.filter((row) => left.has(row.id)));
    const rules = [...new Set(rows.map((row) => row.rule))].sort();
    none(`${what} by ${rules}`, rules.filter((rule) => !['never-run', 'odd', 'reports', 'temporary', 'unnamed'].includes(rule)));
    return went.length;
}

// The stopped plan: what the page says to type is typed, and the next run does it.
export async function approval(world) {
    const context = await world.open();
    const page = await context.newPage();
    await page.goto('/');
    const notice = card(page, 'main').getByRole('alert');
    has('A stopped plan', await notice.innerText(), 'Stopped: nothing is deleted until you decide');
    const count = Number(/would delete (\d+) batches/.exec(await notice.innerText())[1]);
    has('A stopped plan, why', await notice.innerText(), new RegExp(`the plan deletes ${count} batches, and the limit is 20`, 'i'));
    await notice.getByRole('link', { name: 'the plan of now' }).click();
    has('A stopped plan, what would go', await page.getByRole('status').innerText(), `of ${count} batches`);
    has('A stopped plan, a row', await page.locator('table.plan').innerText(), 'waits for your decision');
    await page.goBack();
    const command = await notice.locator('code.command').innerText();
    const before = await batches('main');
    ok(`typed: ${command.replaceAll(world.work, '…')}`);
    execFileSync('bash', ['-c', command], { stdio: 'pipe' });
    await page.reload();
    has('Approved', await notice.innerText(), /Approved by .+: the next run deletes these batches/);
    is('Approved, and not asked for again', await notice.locator('code.command').count(), 0);
    await world.run();
    await page.reload();
    is('After the next run, guards', await notice.count(), 0);
    const row = fact(card(page, 'main'), 'Last run');
    has('After the next run', await row.innerText(), /\d+ deleted/);
    await row.getByRole('link').click();
    world.approved = page.url();
    const went = await deleted(page, 'main', 'The approved run:');
    is('The approved run: the account is smaller by', before.size - (await batches('main')).size, went);
    has('The approved run: a name as only an enemy gives it', await main(page), '<script>alert(1)</script>');
    await context.close();
}
