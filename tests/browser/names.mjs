// Names as only an enemy gives them. Each begins with `odd`, which a rule deletes at once.

export const HOSTILE = {
    script: 'odd <script>alert(1)</script>',
    image: 'odd "><img src=x onerror=alert(1)>',
    entity: "odd &lt;b&gt; ' onmouseover='alert(1)",
    lines: 'odd line one\nline two\r\n\tline three',
    terminal: 'odd \u001b[31mred\u001b[0m \u0007 bell',
    reversed: 'odd \u202egnp.exe\u202c \u2066isolated',
    long: `odd ${'x'.repeat(5_000)}`,
    wide: `odd ${'報告'.repeat(300)}`,
    link: 'odd javascript:alert(1) https://evil.example/',
};

// What the rules of the file treat each in another way.
export const PLAIN = ['report-sales-1', 'report-sales-2', 'report-sales-3', 'report-sales-4'];
