package athenatrail

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, err := ParseMoney(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %s, %v; want %s", in, got, err, want)
		}
	}
	f("5", "5.000000000")
	f("6.75", "6.750000000")
	f("0.000000001", "0.000000001")
	f("9223372036.854775807", "9223372036.854775807")
	bad := func(in string) {
		t.Helper()
		if got, err := ParseMoney(in); err == nil {
			t.Errorf("%q: got %s, want an error", in, got)
		}
	}
	for _, in := range []string{"", ".", "5.", ".5", "-1", "+1", "1e3", "0x1", "5 USD", "1.0000000001", "9223372036.854775808", "99999999999999999999", "１"} {
		bad(in)
	}
}

func TestMoneyString(t *testing.T) {
	if got := Money(-1 << 63).String(); got != "-9223372036.854775808" {
		t.Errorf("got %s", got)
	}
}

// TestMulDiv holds MulDiv against exact arithmetic, rounded half up.
func TestMulDiv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Int64Range(0, 1<<62).Draw(t, "m")
		a := rapid.Int64Range(0, 1<<62).Draw(t, "a")
		b := rapid.Int64Range(1, 1<<62).Draw(t, "b")
		want := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(m), big.NewInt(a)), big.NewInt(b))
		want.Add(want, big.NewRat(1, 2))
		floor := new(big.Int).Quo(want.Num(), want.Denom())
		got, ok := Money(m).MulDiv(a, b)
		if ok != (floor.IsInt64() && floor.Int64() < 1<<63-1) {
			t.Fatalf("%d*%d/%d: %v, want %v", m, a, b, ok, floor)
		}
		if ok && int64(got) != floor.Int64() {
			t.Fatalf("%d*%d/%d: got %d, want %v", m, a, b, got, floor)
		}
	})
	for _, wrong := range [][3]int64{{1, 1, 0}, {-1, 1, 1}, {1, -1, 1}, {1, 1, -1}} {
		if _, ok := Money(wrong[0]).MulDiv(wrong[1], wrong[2]); ok {
			t.Errorf("%v: want no answer", wrong)
		}
	}
}
