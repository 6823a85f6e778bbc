"""What elementwise instructions do to one element."""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.kernel.options import EXACT
from bayesgmm.tape.codes import Code

lgamma, _erf, _erfc, _exp2, _log2 = (
    types.ExternalFunction(name, types.float64(types.float64)) for name in ("lgamma", "erf", "erfc", "exp2", "log2")
)


@njit(**EXACT)
def unary(code, a):
    """f(a)."""
    if code == Code.ABS:
        return abs(a)
    if code == Code.ARCCOS:
        return math.acos(a)
    if code == Code.ARCSIN:
        return math.asin(a)
    if code == Code.ARCTAN:
        return math.atan(a)
    if code == Code.CEIL:
        return -((-a) // 1.0)
    if code == Code.COS:
        return math.cos(a)
    if code == Code.COSH:
        return math.cosh(a)
    if code == Code.ERF:
        return _erf(a)
    if code == Code.ERFC:
        return _erfc(a)
    if code == Code.ERFCX:
        return _erfcx(a)
    if code == Code.EXP:
        return math.exp(a)
    if code == Code.EXP2:
        return _exp2(a)
    if code == Code.EXPM1:
        return math.expm1(a)
    if code == Code.FLOOR:
        return a // 1.0
    if code == Code.ISINF:
        return 1.0 if math.isinf(a) else 0.0
    if code == Code.ISNAN:
        return 1.0 if math.isnan(a) else 0.0
    if code == Code.LGAMMA:
        return lgamma(a)
    if code == Code.LOG:
        return math.log(a)
    if code == Code.LOG10:
        return math.log10(a)
    if code == Code.LOG1MEXP:
        return math.log1p(-math.exp(a)) if a < -0.6931471805599453 else math.log(-math.expm1(a))
    if code == Code.LOG1P:
        return math.log1p(a)
    if code == Code.LOG2:
        return _log2(a)
    return _more_unary(code, a)


@njit(**EXACT)
def _more_unary(code, a):
    if code == Code.NEG:
        return -a
    if code == Code.NOT:
        return 1.0 - a
    if code == Code.PSI:
        return psi(a)
    if code == Code.RECIPROCAL:
        return 1.0 / a
    if code == Code.SIGMOID:
        return 1.0 / (1.0 + math.exp(-a))
    if code == Code.SIGN:
        return 1.0 if a > 0 else (-1.0 if a < 0 else a)
    if code == Code.SIN:
        return math.sin(a)
    if code == Code.SINH:
        return math.sinh(a)
    if code == Code.SOFTPLUS:
        return a + math.log1p(math.exp(-a)) if a > 0 else math.log1p(math.exp(a))
    if code == Code.SQR:
        return a * a
    if code == Code.SQRT:
        return math.sqrt(a)
    if code == Code.TAN:
        return math.tan(a)
    if code == Code.TANH:
        return math.tanh(a)
    if code == Code.TRIGAMMA:
        return _trigamma(a)
    return a // 1.0 if a >= 0 else -((-a) // 1.0)


@njit(**EXACT)
def binary(code, a, b):
    """f(a, b)."""
    if code == Code.ADD:
        return a + b
    if code == Code.ARCTAN2:
        return math.atan2(a, b)
    if code == Code.DIV:
        return a / b
    if code == Code.EQ:
        return 1.0 if a == b else 0.0
    if code == Code.GE:
        return 1.0 if a >= b else 0.0
    if code == Code.GT:
        return 1.0 if a > b else 0.0
    if code == Code.INTDIV:
        return a // b
    if code == Code.LE:
        return 1.0 if a <= b else 0.0
    if code == Code.LT:
        return 1.0 if a < b else 0.0
    if code == Code.MAXIMUM:
        return a if a > b or math.isnan(a) else b
    if code == Code.MINIMUM:
        return a if a < b or math.isnan(a) else b
    if code == Code.MOD:
        return a - b * (a // b)
    if code == Code.MUL:
        return a * b
    if code == Code.NEQ:
        return 1.0 if a != b else 0.0
    if code == Code.OR:
        return 1.0 if a != 0 or b != 0 else 0.0
    if code == Code.AND:
        return 1.0 if a != 0 and b != 0 else 0.0
    if code == Code.POW:
        return a * a if b == 2.0 else a**b
    if code == Code.SUB:
        return a - b
    return 1.0 if (a != 0) != (b != 0) else 0.0


@njit(**EXACT)
def ternary(code, a, b, c):
    """f(a, b, c)."""
    if code == Code.CLIP:
        return min(max(a, b), c)
    return b if a != 0 else c


@njit(**EXACT)
def psi(x):
    """ψ(x), x > 0: the recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 1964, 6.3.18)."""
    if not x > 0:
        return math.nan
    value = 0.0
    while x < 10.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760 - y / 12))))))
    return value + math.log(x) - 0.5 / x - series


@njit(**EXACT)
def _trigamma(x):
    """ψ′(x), x > 0, likewise (6.4.12)."""
    if not x > 0:
        return math.nan
    value = 0.0
    while x < 10.0:
        value += 1.0 / (x * x)
        x += 1.0
    y = 1.0 / (x * x)
    series = 1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * (5 / 66 - y * (691 / 2730 - y * 7 / 6)))))
    return value + 1.0 / x + 0.5 * y + series * y / x


@njit(**EXACT)
def _erfcx(x):
    """exp(x²) erfc(x), by the asymptotic series (Abramowitz & Stegun 1964, 7.1.23) from 10 on."""
    if x < 10.0:
        return math.exp(x * x) * _erfc(x)
    y, term, total = 0.5 / (x * x), 1.0, 1.0
    for n in range(1, 12):
        term *= -(2 * n - 1) * y
        total += term
    return total / (x * 1.772453850905516)
