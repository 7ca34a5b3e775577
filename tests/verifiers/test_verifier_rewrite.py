import pytest

from stepward.verifiers.rewrite import for_algebra


@pytest.mark.parametrize(
    ("answer", "rewritten"),
    [
        ("sqrt(3)/2", r"\sqrt{3}/2"),
        ("pi/2", r"\pi /2"),
        ("x**2", "x^2"),
        ("abs(x)", "|x|"),
        ("x <= 1", r"x \le  1"),
        ("x > -infinity", r"x > -\infty "),
        (r"\frac\pi2", r"\frac{\pi}{2}"),
        (r"\frac\sqrt3 2", r"\frac{\sqrt3}{2}"),
        (r"3\frac{1}{2}x", r"(3+\frac{1}{2})x"),
        (r"0.\overline{3}x", r"\frac{1}{3}x"),
        ("[[1, 2],[3,4]]", r"\begin{pmatrix}1& 2\\3&4\end{pmatrix}"),
        (r"\langle 1,2\rangle", "( 1,2)"),
        ("(0,2)U(3,5)", r"(0,2)\cup (3,5)"),
        (r"3+\sqrt{2}\text{ feet}", r"3+\sqrt{2}"),
        ("arcsin(x)", r"\arcsin (x)"),
    ],
)
def test_spellings_that_math_verify_misreads_are_mended(answer, rewritten):
    assert for_algebra("x", answer)[1] == rewritten


def test_degrees_become_radians_only_where_the_other_side_means_radians():
    assert for_algebra(r"\frac{\pi}{2}", r"90^\circ")[1] == r"(\frac{90\pi}{180})"
    assert for_algebra("2x", r"90^\circ")[1] == "90"
    assert for_algebra("1", r"\tan 45^\circ")[1] == r"\tan (\frac{45\pi}{180})"


def test_a_tuple_becomes_a_column_beside_a_column():
    column = r"\begin{pmatrix}1\\2\end{pmatrix}"
    assert for_algebra(column, "(3,4)")[1] == r"\begin{pmatrix}3\\4\end{pmatrix}"
    assert for_algebra("(3,4)", column)[0] == r"\begin{pmatrix}3\\4\end{pmatrix}"
