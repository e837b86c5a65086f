// Ways of reading: by keyboard, without scripts, on a narrow screen, and with names that an enemy gave.

import { batches } from './emulator.mjs';
import { HOSTILE } from './names.mjs';
import { search } from './questions.mjs';
import { has, is, none } from './tell.mjs';

// One page of each kind; after the approval those that it changed.
export async function addresses(world) {
    const runs = await (await fetch(`${world.base}/api/v1/runs?account=shop`)).json();
    const left = await batches('main');
    const planted = Object.values(world.planted.main).find((id) => left.has(id));
    if (world.approved) {
        return { overview: '/', 'plan, nothing found': '/plan?account=main&q=odd', 'batch that is gone': world.gone, 'approved run': world.approved };
    }
    return {
        overview: '/',
        plan: '/plan?account=main',
        'plan, a search': '/plan?account=main&q=batch&verdict=unmatched&sort=-created&page=2',
        'plan, nothing found': '/plan?account=main&q=nothing+is+like+that',
        'plan, hostile names': '/plan?account=main&q=odd',
        batch: `/batches/${planted}?account=main`,
        'batch that is gone': world.gone,
        runs: '/runs?account=shop',
        'runs, stopped': '/runs?account=main',
        run: `/runs/${runs.runs[0].run_id}`,
    };
}

// What has the focus: a short name, its place in the document, and how one sees it.
const focus = (page) => page.evaluate(() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    const all = [...document.querySelectorAll('a, button, input, select, summary')];
    return {
        what: one.tagName === 'BODY' ? 'nothing' : `${one.tagName.toLowerCase()} ${one.innerText || one.name || ''}`.trim(),
        place: all.indexOf(one),
        ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        inside: box.width > 0 && box.left >= 0 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth,
    };
});

export async function keyboard(world) {
    const context = await world.open();
    const page = await context.newPage();
    for (const [name, address] of Object.entries({ overview: '/', plan: '/plan?account=main&verdict=kept', batch: (await addresses(world)).batch })) {
        await page.goto(address);
        await page.keyboard.press('Tab');
        const first = await focus(page);
        is(`keyboard, ${name}: the first stop`, [first.what, first.inside], ['a Skip to the content', true]);
        const stops = [first];
        for (let turns = 0; turns < 150; turns += 1) {
            await page.keyboard.press('Tab');
            const stop = await focus(page);
            if (stop.place <= stops.at(-1).place) break;
            stops.push(stop);
        }
        const all = await page.locator('a, button, input:not([type=hidden]), select, summary').count();
        is(`keyboard, ${name}: every link and field in turn`, stops.length, all);
        none(`keyboard, ${name}: each stop is seen, with a ring`, stops.filter((stop) => !stop.ring || !stop.inside).map((stop) => stop.what));
    }
    // Over the navigation, into the content.
    await page.goto('/plan?account=main');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    const within = await page.evaluate(() => document.querySelector('main').contains(document.activeElement));
    is('keyboard: the skip link leads into the content', within, true);
    // A search, a filter and an order without a mouse.
    for (let turns = 0; turns < 10 && (await focus(page)).what !== 'input q'; turns += 1) await page.keyboard.press('Tab');
    await page.keyboard.type('tmp-1');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=tmp-1/);
    has('keyboard: Enter searches', await page.locator('table.plan tbody th').first().innerText(), 'tmp-1');
    await page.locator('select[name=verdict]').focus();
    await page.keyboard.type('delete');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    is('keyboard: on to the button', (await focus(page)).what, 'button Show');
    await page.keyboard.press('Enter');
    await page.waitForURL(/verdict=delete/);
    has('keyboard: a verdict is chosen', page.url(), 'q=tmp-1&verdict=delete');
    await context.close();
}

// The content without what depends on the second it is looked at.
const content = (page) => page.locator('main').evaluate((main) => {
    for (const time of main.querySelectorAll('time')) time.textContent = time.dateTime;
    return main.innerText.replace(/\d+\w* ago/g, 'ago');
});

export async function scriptless(world) {
    const [with_scripts, without] = [await world.open(), await world.open({ javaScriptEnabled: false })];
    const [one, other] = [await with_scripts.newPage(), await without.newPage()];
    for (const [name, address] of Object.entries(await addresses(world))) {
        await one.goto(address);
        await other.goto(address);
        const text = await content(one);
        is(`without scripts, ${name}: the same`, await content(other) === text && text.length > 40, true);
        is(`without scripts, ${name}: there is none`, await one.locator('script, [onclick], [onload], [style], style').count(), 0);
    }
    await search(other, 'main', 'report-sales-4');
    is('without scripts: a search', await other.locator('table.plan tbody tr').count(), 1);
    await with_scripts.close();
    await without.close();
}

// Every link leads somewhere. Of links to batches the first of each page, since one is like another.
export async function links(world) {
    const context = await world.open();
    const page = await context.newPage();
    const all = new Map();
    for (const [name, address] of Object.entries(await addresses(world))) {
        await page.goto(address);
        const found = await page.locator('a').evaluateAll((all) => all.map((one) => one.getAttribute('href')));
        const of_batches = found.filter((one) => one.startsWith('/batches/')).slice(0, 5);
        for (const one of [...found.filter((one) => !one.startsWith('/batches/')), ...of_batches]) all.set(one, name);
    }
    const dead = [];
    for (const [link, name] of all) {
        const { status } = await fetch(new URL(link, world.base));
        if (status !== 200) dead.push([link, name, status]);
    }
    none(`${all.size} links lead somewhere`, dead);
    await context.close();
}

// What people see of a name: control and direction characters are written out, long ones cut.
const MARKS = {
    script: '<script>alert(1)</script>',
    image: '"><img src=x onerror=alert(1)>',
    entity: "&lt;b&gt; ' onmouseover='alert(1)",
    lines: /line one\\n.*line two/,
    terminal: /\\u\{1b\}\[31mred/,
    reversed: /\\u\{202e\}gnp\.exe/,
    long: /x{100}/,
    wide: /報告報告/,
    link: 'javascript:alert(1) https://evil.example/',
};

export async function hostile(world) {
    const context = await world.open();
    const page = await context.newPage();
    const left = await batches('main');
    for (const [word, name] of Object.entries(HOSTILE)) {
        const id = world.planted.main[word];
        await page.goto(`/batches/${id}?account=main`);
        const heading = await page.locator('h1').innerText();
        has(`name ${word}: as text${left.has(id) ? '' : ', once it is gone'}`, heading, MARKS[word]);
        none(`name ${word}: no character that moves others`, heading.match(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g) ?? []);
        is(`name ${word}: cut`, heading.length <= 400, true);
        none(`name ${word}: makes nothing`, await page.locator('main script, main img, main b, main [onerror], main [onmouseover], main a[href^=javascript]').all());
        if (left.has(id)) {
            await search(page, 'main', name.slice(0, 12).replace(/\s+$/, ''));
            is(`name ${word}: found`, await page.locator('table.plan code.id', { hasText: id }).count() > 0 || name.length > 250, true);
        }
    }
    await context.close();
}

// Two phones, a small window and a desk: the page is never wider than the screen, nor is anything cut off.
export async function narrow(world) {
    for (const width of [360, 390, 768, 1280]) {
        const context = await world.open({ viewport: { width, height: 740 } });
        const page = await context.newPage();
        const wide = [];
        const kinds = { ...await addresses(world) };
        for (const [word, id] of Object.entries(world.planted.main)) kinds[`batch, ${word}`] = `/batches/${id}?account=main`;
        for (const [name, address] of Object.entries(kinds)) {
            await page.goto(address);
            const over = await page.evaluate(() => {
                const room = document.documentElement.clientWidth;
                // Between a phone and a desk a table may be scrolled within its own frame.
                const in_frame = (one) => room > 736 && room < 1280 && one.closest('.scroll');
                const out = [...document.querySelectorAll('main *, header *, footer *')]
                    .filter((one) => !in_frame(one) && one.getBoundingClientRect().right > room + 1);
                return { scroll: document.documentElement.scrollWidth - room, out: out.slice(0, 3).map((one) => one.outerHTML.slice(0, 80)) };
            });
            if (over.scroll > 0 || over.out.length > 0) wide.push([name, over]);
        }
        none(`at ${width} px: ${Object.keys(kinds).length} pages, none wider than the screen`, wide);
        await context.close();
    }
}
