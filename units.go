package athenatrail

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Money is an amount in billionths of a currency's unit, the scale of the
// lake's DECIMAL(18,9) columns. Its largest amount is about 9.2 billion.
type Money int64

// MoneyScale is how many of Money's units make one unit of the currency.
const MoneyScale = 1_000_000_000

// ParseMoney reads a decimal such as 5, 6.75 or 0.000047684 with at most nine
// digits behind the point. It takes no sign, exponent or currency.
func ParseMoney(s string) (Money, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "" || len(frac) > 9 || strings.HasSuffix(s, ".") {
		return 0, fmt.Errorf("amount %q: want a decimal such as 5 or 6.75, with at most 9 digits behind the point", s)
	}
	frac += strings.Repeat("0", 9-len(frac))
	for _, c := range whole + frac {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("amount %q: want a decimal such as 5 or 6.75", s)
		}
	}
	n, err := strconv.ParseInt(whole+frac, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q: too large", s)
	}
	return Money(n), nil
}

// String writes all nine digits: 5.000000000.
func (m Money) String() string {
	sign, u := "", uint64(m)
	if m < 0 {
		sign, u = "-", uint64(-(m+1))+1
	}
	return fmt.Sprintf("%s%d.%09d", sign, u/MoneyScale, u%MoneyScale)
}

// MulDiv returns m*a/b, rounded half up, computed without overflow in between.
// It reports false when b is not positive, a or m is negative, or the result
// does not fit.
func (m Money) MulDiv(a, b int64) (Money, bool) {
	if b <= 0 || a < 0 || m < 0 {
		return 0, false
	}
	p := new(big.Int).Mul(big.NewInt(int64(m)), big.NewInt(a))
	p.Add(p.Lsh(p, 1), big.NewInt(b))
	p.Quo(p, new(big.Int).Lsh(big.NewInt(b), 1))
	if !p.IsInt64() || p.Int64() == math.MaxInt64 {
		return 0, false
	}
	return Money(p.Int64()), true
}
