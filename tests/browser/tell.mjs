// One line for each thing seen, and how many there were.

let seen = 0;
let failed = 0;

export function ok(what) {
    seen += 1;
    console.log(`ok       ${what}`);
}

export function bad(what) {
    failed += 1;
    console.log(`FAILED   ${what}`);
}

const short = (value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return text.length > 160 ? `${text.slice(0, 160)}…` : text;
};

export function is(what, saw, expected) {
    if (JSON.stringify(saw) === JSON.stringify(expected)) ok(`${what}: ${short(saw)}`);
    else bad(`${what}: expected ${short(expected)}, saw ${short(saw)}`);
}

export function has(what, text, part) {
    if (typeof part === 'string' ? text.includes(part) : part.test(text)) ok(`${what}: ${part}`);
    else bad(`${what}: no ${part} in ${short(text)}`);
}

// none WHAT LIST: nothing of that kind was seen.
export function none(what, list) {
    if (list.length === 0) ok(what);
    else bad(`${what}: ${list.length}: ${short([...list].slice(0, 4))}`);
}

export function end() {
    console.log(`== browser: ${seen} ok, ${failed} failed`);
    return failed === 0 ? 0 : 1;
}
