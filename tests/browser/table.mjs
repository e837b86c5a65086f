// The table of the plan: search, filters, order, pages. Held to what the emulated account really has.

import { batches } from './emulator.mjs';
import { search } from './questions.mjs';
import { has, is, none } from './tell.mjs';

const ROWS = 100;

// The rows of a page as plain data.
const rows = (page) => page.locator('table.plan tbody tr').evaluateAll((rows) => rows.map((row) => {
    const cell = (label) => row.querySelector(`[data-label="${label}"]`);
    const time = (label) => cell(label).querySelector('time')?.dateTime ?? '';
    return {
        id: row.querySelector('code.id').innerText,
        verdict: cell('Verdict').innerText,
        status: cell('Status').innerText,
        created: time('Created'),
        last_run: time('Last run'),
        goes: cell('Goes').innerText,
        goes_at: time('Goes'),
        why: cell('Why').innerText,
    };
}));

// All rows, by clicking through the pages.
async function all_rows(page) {
    const all = await rows(page);
    for (let turns = 0; turns < 50; turns += 1) {
        const next = page.getByRole('link', { name: 'After →' });
        if (await next.count() === 0) return all;
        await next.click();
        all.push(...await rows(page));
    }
    throw new Error('pages without end');
}

const shown = async (page) => (await page.getByRole('status').innerText()).trim();

export async function table(world) {
    const context = await world.open();
    const page = await context.newPage();
    const there = await batches('main');
    await searching(page, there);
    await paging(page, there);
    await filters(page);
    await orders(page, there);
    await context.close();
}

async function searching(page, there) {
    await search(page, 'main', '  ACME video  ');
    const wanted = [...there.values()].filter((batch) => batch.name?.toLowerCase().includes('acme video'));
    const found = await all_rows(page);
    is('search, in whatever case', found.map((row) => row.id).sort(), wanted.map((batch) => batch.id).sort());
    await search(page, 'main', 'keep rule');
    none('search, in reasons', (await rows(page)).filter((row) => !row.why.includes('keep rule')));
    await search(page, 'main', 'there is no such batch');
    is('search, nothing found', await shown(page), 'No batch is like that.');
    await search(page, 'main', '"><b>&%+#\u202e');
    is('search, an odd text comes back', await page.getByLabel('Search').inputValue(), '"><b>&%+#\u202e');
}

async function paging(page, there) {
    await search(page, 'main', '');
    const pages = Math.ceil(there.size / ROWS);
    is('page 1', await shown(page), `1–${ROWS} of ${there.size} batches`);
    is('page 1 has none before', await page.getByRole('link', { name: '← Before' }).count(), 0);
    const all = await all_rows(page);
    is('all pages, last', await page.locator('nav.pager span').innerText(), `Page ${pages} of ${pages}`);
    is('all pages have each batch once', all.map((row) => row.id).sort(), [...there.keys()].sort());
    await page.getByRole('link', { name: '← Before' }).click();
    is('one before', await page.locator('nav.pager span').innerText(), `Page ${pages - 1} of ${pages}`);
    for (const [odd, expected] of [['999', pages], ['0', 1], ['-1', 1], ['x', 1], ['99999999999999999999', 1]]) {
        await page.goto(`/plan?account=main&page=${odd}`);
        is(`page ${odd}`, await page.locator('nav.pager span').innerText(), `Page ${expected} of ${pages}`);
    }
}

async function filters(page) {
    await search(page, 'main', '');
    const options = page.getByLabel('Verdict').locator('option');
    let total = 0;
    for (const option of (await options.all()).slice(1)) {
        const [, name, count] = /^(.+) \((\d+)\)$/.exec(await option.innerText());
        await page.getByLabel('Verdict').selectOption(await option.getAttribute('value'));
        await page.getByRole('button', { name: 'Show' }).click();
        const found = Number(count) > 0 ? await all_rows(page) : [];
        is(`verdict ${name}`, [found.length, found.every((row) => row.verdict === name)], [Number(count), true]);
        total += found.length;
        await search(page, 'main', '');
    }
    is('verdicts together', `1–${ROWS} of ${total} batches`, await shown(page));
    const rules = await page.getByLabel('Rule').locator('option').evaluateAll((all) => all.map((one) => one.value));
    for (const rule of rules.slice(1)) {
        await page.getByLabel('Rule').selectOption(rule);
        await page.getByRole('button', { name: 'Show' }).click();
        const found = await page.locator('table.plan').count() > 0 ? await all_rows(page) : [];
        none(`rule ${rule}: ${found.length} name it`, found.filter((row) => !row.why.includes(rule)));
        await page.getByLabel('Rule').selectOption('');
    }
    // A filter, a search and an order at once, kept from page to page.
    await page.goto('/plan?account=main&verdict=unmatched&q=batch&sort=-created');
    await page.getByRole('link', { name: 'After →' }).click();
    has('what is chosen goes along', page.url(), /q=batch&verdict=unmatched&sort=-created&page=2$/);
    is('what is chosen is shown', [await page.getByLabel('Search').inputValue(), await page.getByLabel('Verdict').inputValue()], ['batch', 'unmatched']);
}

async function orders(page, there) {
    await search(page, 'main', '');
    const rank = await page.getByLabel('Verdict').locator('option')
        .evaluateAll((all) => all.map((one) => one.innerText.replace(/ \(\d+\)$/, '')));
    const name = (row) => Buffer.from(there.get(row.id).name ?? '').toString('hex');
    const place = (row) => String(rank.indexOf(row.verdict));
    const columns = {
        Verdict: place,
        Batch: name,
        Status: (row) => row.status,
        Created: (row) => row.created,
        'Last run': (row) => row.last_run,
        Goes: goes(place),
    };
    for (const [title, key] of Object.entries(columns)) {
        for (const way of ['ascending', 'descending']) {
            await search(page, 'main', 'acme');
            // A second click turns the order round.
            const link = page.locator('thead th', { hasText: title }).getByRole('link');
            await link.click();
            if (await page.locator('th[aria-sort]').getAttribute('aria-sort') !== way) await link.click();
            const sorted = await page.locator('th[aria-sort]')
                .evaluateAll((all) => all.map((one) => [one.innerText.replace(/ [▲▼]$/, ''), one.ariaSort]));
            is(`${title}, ${way}, aria-sort`, sorted, [[title, way]]);
            const keys = (await all_rows(page)).map(key);
            const wrong = keys.filter((one, at) => at > 0 && (way === 'ascending' ? one < keys[at - 1] : one > keys[at - 1]));
            none(`${title}, ${way}: ${keys.length} in order`, wrong);
        }
    }
}

// First what goes now, then by date, then the rest by verdict.
const goes = (place) => (row) => {
    if (row.verdict === 'delete') return '0';
    return row.goes_at ? `1 ${row.goes_at}` : `2 ${place(row)}`;
};
