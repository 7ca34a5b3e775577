"""Strings that hang a parser or an algebra system, and strings that try to run code."""

HANGING = (
    *("9^{9^9}", "9^{9^{9^9}}", "2^{2^{2^{2^{2^{2}}}}}", "10**10**10", "10^{10^{10}}", "10^{-10^9}", "10^{10^9}"),
    *("7^{7^{7^7}} \\mod 10", "\\log_{2}(2^{10^{9}}) + 3^{10^9}"),
    *("1000000!", "(10^8)!", "(10^8)!+(10^8)!", "((9!)!)!", "!" * 100, "3" + "!" * 12),
    *("\\binom{10^9}{5 \\cdot 10^8}", "\\binom{1000000000}{500000000}"),
    *("\\sum_{k=1}^{10^9} \\frac{1}{k^2+k+1}", "\\sum_{n=1}^{1000000000} n^{n}", "\\prod_{k=1}^{10^7} k"),
    "\\int_0^1 x^{x^{x^{x}}} \\sin(e^{x^2}) dx",
    *("(" * 400 + "1" + ")" * 400, "{" * 400 + "1" + "}" * 400, "x^{" * 40 + "2" + "}" * 40),
    *("\\frac{1}{" * 100 + "2" + "}" * 100, "\\sqrt{" * 100 + "2" + "}" * 100, "\\boxed{" * 30_000),
    *("0." + "3" * 100_000, ",".join(str(n) for n in range(100_000)), "-" * 1_500 + "1"),
    "\\{" + ",".join(f"\\frac{{{n}}}{{7}}" for n in range(300)) + "\\}",
    *("(x+y+z)^{5000}", "(x+y+z+1)^{300}-(x+y+z+1)^{300}", "+".join(f"x_{{{n}}}" for n in range(200))),
)


def injections(canary: str) -> tuple[str, ...]:
    """Forty answers that would make the file `canary` if any of them were run."""
    write = f"open('{canary}','w').write('x')"
    shell = f"__import__('os').system('touch {canary}')"
    path = f"__import__('pathlib').Path('{canary}').touch()"
    wrappers = (
        "{}",
        "({})",
        "[{}]",
        "1+{}",
        "x={}",
        "{} or 1",
        "(lambda: {})()",
        "f'{{{}}}'",
        'eval("{}")',
        'exec("{}")',
        "\\text{{{}}}",
        "\\frac{{1}}{{{}}}",
        "sqrt({})",
    )
    wrapped = [wrapper.format(code) for wrapper in wrappers for code in (write, shell, path)]
    return (*wrapped, f"().__class__.__base__.__subclasses__()[0]({write!r})")
