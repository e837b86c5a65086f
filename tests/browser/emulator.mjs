// The emulated accounts, asked behind the program's back: what is really there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const url = (account) => readFileSync(join(process.env.WORK, `${account}.url`), 'utf8').trim();

// The products have different words for a batch.
const WORDS = { main: 'batches', shop: 'collections' };

export async function create(account, name) {
    const answer = await fetch(`${url(account)}/${WORDS[account]}?api_key=emulator`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, schedule_type: 'manual', enabled: true }),
    });
    const document = await answer.json();
    const made = Object.values(document).find((value) => value?.id);
    if (!made) throw new Error(`${account}: ${JSON.stringify(document).slice(0, 200)}`);
    return made.id;
}

// All batches of an account, by id.
export async function batches(account) {
    const all = new Map();
    for (let page = 1, pages = 1; page <= pages; page += 1) {
        const parameters = `api_key=emulator&page_size=1000&page=${page}`;
        const document = await (await fetch(`${url(account)}/${WORDS[account]}?${parameters}`)).json();
        pages = document.total_pages;
        for (const batch of document[WORDS[account]]) all.set(batch.id, batch);
    }
    return all;
}
