// How it looks: by the rules of WCAG 2 A and AA and good practice (axe), and pictures for the manual.

import { mkdirSync, statSync } from 'node:fs';
import { addresses } from './reading.mjs';
import { is, none, ok } from './tell.mjs';

const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const THEMES = ['light', 'dark'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export async function access(world) {
    const pages = Object.entries(await addresses(world));
    for (const [size, viewport] of Object.entries(SIZES)) {
        for (const colorScheme of THEMES) {
            const context = await world.open({ viewport, colorScheme });
            const page = await context.newPage();
            const found = [];
            for (const [name, address] of pages) {
                await page.goto(address);
                await page.evaluate(world.axe);
                const { passes, violations } = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), TAGS);
                if (passes.length < 15) found.push([name, `only ${passes.length} rules had anything to look at`]);
                for (const one of violations) found.push([name, one.id, one.nodes.length, one.nodes[0].html.slice(0, 120), one.nodes[0].failureSummary]);
            }
            for (const one of found) console.log(`         ${one.join(' | ')}`);
            none(`axe, ${size}, ${colorScheme}: ${pages.length} pages`, found);
            await context.close();
        }
    }
}

export async function pictures(world) {
    mkdirSync('docs/pictures', { recursive: true });
    const shown = {
        overview: '/',
        plan: '/plan?account=main',
        batch: `/batches/${world.planted.main['report-sales-4']}?account=main`,
        runs: '/runs?account=shop',
    };
    for (const [size, viewport] of Object.entries(SIZES)) {
        for (const colorScheme of THEMES) {
            const context = await world.open({ viewport, colorScheme, deviceScaleFactor: 1 });
            const page = await context.newPage();
            for (const [name, address] of Object.entries(shown)) {
                await page.goto(address);
                // The path of a temporary folder is nobody's business.
                await page.evaluate((folder) => {
                    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
                    while (texts.nextNode()) {
                        texts.currentNode.data = texts.currentNode.data.replaceAll(` --config ${folder}/config.toml`, '');
                    }
                }, world.work);
                const path = `docs/pictures/${name}-${size}-${colorScheme}.png`;
                await page.screenshot({ path });
                const { size: bytes } = statSync(path);
                is(`${path}: at most 150 KB`, bytes <= 150_000, true);
                ok(`${path}: ${bytes} bytes`);
            }
            await context.close();
        }
    }
}
