// Makes the batches of names.mjs on both emulated accounts; their ids in planted.json.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from './emulator.mjs';
import { HOSTILE, PLAIN } from './names.mjs';

const planted = { main: {}, shop: {} };
for (const account of Object.keys(planted)) {
    for (const [word, name] of Object.entries(HOSTILE)) planted[account][word] = await create(account, name);
}
for (const name of PLAIN) planted.main[name] = await create('main', name);
writeFileSync(join(process.env.WORK, 'planted.json'), JSON.stringify(planted));
