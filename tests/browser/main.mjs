// All tests of the status page, in order: what a stopped account shows first, then what its approval changes.
//
//     WORK=FOLDER SERVICE=PID BASE=URL node main.mjs [--pictures] [STAGE...]
//
// Stages by name leave out the others; `questions` finds what most of them look at. With STYLE=FILE pages have that
// style instead of the program's: to try one without building it.
//
// Chromium may speak to this machine alone, and each context writes down what it should not have done: errors of the
// console (a violation of the policy is one), dialogs, requests to anybody else.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { access, pictures } from './looks.mjs';
import { approval, questions, wait } from './questions.mjs';
import { hostile, keyboard, links, narrow, scriptless } from './reading.mjs';
import { table } from './table.mjs';
import { bad, end, none } from './tell.mjs';
import { wire } from './wire.mjs';

const { WORK, SERVICE, BASE, STYLE } = process.env;
const require = createRequire(join(WORK, 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');

const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    chromiumSandbox: process.getuid() !== 0,
    args: ['--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
});

const wrong = { console: [], dialogs: [], elsewhere: [] };

// A context that is watched; a page that takes longer than ten seconds is broken.
async function open(options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, baseURL: BASE, ...options });
    context.setDefaultTimeout(10_000);
    if (STYLE) await context.route('**/style.css*', (route) => route.fulfill({ path: STYLE, contentType: 'text/css' }));
    context.on('page', (page) => {
        page.on('console', (message) => wrong.console.push(`${page.url()}: ${message.text()}`));
        page.on('pageerror', (error) => wrong.console.push(`${page.url()}: ${error.message}`));
        page.on('dialog', (dialog) => {
            wrong.dialogs.push(`${page.url()}: ${dialog.message()}`);
            return dialog.dismiss();
        });
    });
    context.on('request', (request) => {
        const url = new URL(request.url());
        if (url.protocol !== 'data:' && url.origin !== BASE) wrong.elsewhere.push(request.url());
    });
    return context;
}

const read = (name) => readFileSync(join(WORK, name), 'utf8').trim();
const world = {
    open,
    base: BASE,
    work: WORK,
    axe: readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'),
    held: read('held'),
    planted: JSON.parse(read('planted.json')),
    // Has every account run now, and waits until that is over.
    async run() {
        const before = await ends(BASE);
        process.kill(Number(SERVICE), 'SIGUSR1');
        await wait('the runs', async () => {
            const after = await ends(BASE);
            return after.every(([id, ended], place) => ended && id !== before[place][0]);
        });
    },
};

// The last run of each account, and whether it has ended.
async function ends(base) {
    const status = await (await fetch(`${base}/api/v1/status`)).json();
    return status.accounts.map(({ last_run: run }) => [run?.run_id, run !== null && run.ended !== null]);
}

const stages = [questions, table, links, keyboard, scriptless, hostile, narrow, access, wire];
if (process.argv.includes('--pictures')) stages.push(pictures);
stages.push(approval, links, hostile, narrow, access);

await world.run();
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
for (const stage of stages) {
    if (wanted.length > 0 && !wanted.includes(stage.name)) continue;
    console.log(`== ${stage.name}`);
    try {
        await stage(world);
    } catch (error) {
        bad(`${stage.name}: ${error.stack}`);
    }
}
await browser.close();
none('no error in the console, and no violation of the policy, on any page', wrong.console);
none('nothing that a name says was run', wrong.dialogs);
none('no request to another host', wrong.elsewhere);
process.exitCode = end();
