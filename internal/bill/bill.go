// Package bill compares what AWS billed for Athena with what a lake says was
// used. A bill is an export of AWS Data Exports: a Cost and Usage Report, CUR
// 2.0 or the older form, or FOCUS 1.x, as CSV or Parquet. The comparison tells
// whether AWS's terabyte has 2^40 or 10^12 bytes, what of the bill is explained
// and what is not, and splits reserved capacity among those who used it.
package bill

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// Kinds of usage, by what is billed.
const (
	SQL      = "sql"      // terabytes scanned
	Spark    = "spark"    // DPU-hours of sessions
	Capacity = "capacity" // DPU-hours of reserved capacity
	Other    = "other"    // a usage type that is not known
)

// Unit is what a kind's quantity counts.
func Unit(kind string) string {
	switch kind {
	case SQL:
		return "TB"
	case Spark, Capacity:
		return "DPU-hours"
	}
	return ""
}

// usageTypes are the ends of usage types; before them stands a short name of
// the region, or nothing in us-east-1 (AWS Price List, AmazonAthena, and
// internal/price/list.go).
var usageTypes = []struct{ ending, kind string }{
	{"DataScannedInTB", SQL}, {"CodeExecutionInDPUHours", Spark}, {"ReservedCapacityInDPUHours", Capacity},
}

func kindOf(usageType string) string {
	for _, u := range usageTypes {
		if strings.HasSuffix(usageType, u.ending) {
			return u.kind
		}
	}
	return Other
}

// A Fixed is a decimal in billionths of a thousandth, 10^-12: of a terabyte
// that is a byte, at most about 9.2 million of them.
type Fixed int64

const fixedScale = 1_000_000_000_000

// ParseFixed reads a decimal with a sign and an exponent, as CSV exports have
// it. Digits behind the twelfth are rounded.
func ParseFixed(s string) (Fixed, error) {
	if s == "" {
		return 0, nil
	}
	if len(s) > 64 {
		return 0, fmt.Errorf("number %.20q...: too long", s)
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("number %q: want a decimal", s)
		}
		return fixedOf(f)
	}
	var r big.Rat
	if strings.ContainsAny(s, "/_xXpPbBoO") {
		return 0, fmt.Errorf("number %q: want a decimal", s)
	}
	if _, ok := r.SetString(s); !ok {
		return 0, fmt.Errorf("number %q: want a decimal", s)
	}
	return roundRat(&r)
}

func roundRat(r *big.Rat) (Fixed, error) {
	n := new(big.Int).Mul(r.Num(), big.NewInt(2*fixedScale))
	n.Add(n, r.Denom())
	n.Div(n, new(big.Int).Lsh(r.Denom(), 1)) // rounded half up
	if !n.IsInt64() {
		return 0, errors.New("number: too large")
	}
	return Fixed(n.Int64()), nil
}

func fixedOf(f float64) (Fixed, error) {
	v := math.Round(f * fixedScale)
	if !(math.Abs(v) < 9.2e18) {
		return 0, fmt.Errorf("number %v: too large", f)
	}
	return Fixed(v), nil
}

// Float is the number, for shares and for people.
func (f Fixed) Float() float64 { return float64(f) / fixedScale }

// String writes nine digits behind the point, as money has them.
func (f Fixed) String() string {
	sign, u := "", uint64(f)
	if f < 0 {
		sign, u = "-", -uint64(f)
	}
	u = (u + 500) / 1000
	if u == 0 {
		sign = ""
	}
	return fmt.Sprintf("%s%d.%09d", sign, u/athenatrail.MoneyScale, u%athenatrail.MoneyScale)
}

func add(a *Fixed, b Fixed) error {
	if sum := *a + b; (sum > *a) == (b > 0) || b == 0 {
		*a = sum
		return nil
	}
	return errors.New("sum: too large")
}

// A Key is what a bill is compared by.
type Key struct {
	Date    athenatrail.Date // UTC
	Account string
	Region  string
	Kind    string
}

// An Amount is a quantity in the kind's [Unit], and what it cost.
type Amount struct{ Quantity, Cost Fixed }

// A Bill is what an export says of Athena.
type Bill struct {
	Usage map[Key]*Amount

	// Adjustments are what is charged or given back for Athena and is no
	// usage. Their Kind is the export's own word: Tax, Credit, Refund, ...;
	// their Date that on which they begin, which of a tax is mostly the first
	// of the month, or zero where the line does not tell.
	Adjustments map[Key]Fixed

	Currency string
	From, To athenatrail.Date // the days of the export, of usage of whatever service; To is exclusive
	Monthly  bool             // a line covers more than a day: days cannot be compared
	Lines    int64            // of all services
	Athena   int64            // of Athena
	Wrong    int64            // lines of Athena that could not be read
	Problems []string         // the first of them
	Types    map[string]bool  // usage types of Athena that are not known

	adjusted    map[string]bool // the words of Adjustments
	daily, long span            // of lines of a day or less, and of all
}

func newBill() *Bill {
	return &Bill{Usage: map[Key]*Amount{}, Adjustments: map[Key]Fixed{}, adjusted: map[string]bool{}, Types: map[string]bool{}}
}

// Total is what the export charges for Athena in all: its lines on the
// invoice.
func (b *Bill) Total() (total Fixed, err error) {
	for _, a := range b.Usage {
		if err := add(&total, a.Cost); err != nil {
			return 0, err
		}
	}
	for _, cost := range b.Adjustments {
		if err := add(&total, cost); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// A line is one line of an export, in the words of both forms.
type line struct {
	service, usageType, lineType string
	quantity, cost               Fixed
	currency                     string
	start, end                   time.Time
	region, account              string
}

// isLong reports whether a line covers more than a day, which has at most 25
// hours.
func (l *line) isLong() bool { return l.end.Sub(l.start) > 26*time.Hour }

// A span is some days; to is exclusive, and 0 where there are none.
type span struct{ from, to athenatrail.Date }

func (s *span) add(l *line) {
	from, to := athenatrail.DateOf(l.start), athenatrail.DateOf(l.start)+1
	if l.end.After(l.start) {
		to = athenatrail.DateOf(l.end.Add(-1)) + 1
	}
	if s.to == 0 || from < s.from {
		s.from = from
	}
	s.to = max(s.to, to)
}

// isUsage tells usage from what is charged or given back beside it (CUR: line
// item types; FOCUS: charge categories).
func isUsage(lineType string) bool {
	switch lineType {
	case "", "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage":
		return true
	}
	return false
}

// unknown stands for a region or account that a line does not name.
const unknown = "unknown"

// add takes a line up.
func (b *Bill) add(l *line) error {
	b.Lines++
	if !l.start.IsZero() {
		b.long.add(l)
		if isUsage(l.lineType) && !l.isLong() {
			b.daily.add(l)
		}
		defer func() {
			// A tax or a fee of a whole month stands in the first export of
			// it, and says nothing of how far that goes.
			if of := b.daily; of.to != 0 && !b.Monthly {
				b.From, b.To = of.from, of.to
			} else {
				b.From, b.To = b.long.from, b.long.to
			}
		}()
	}
	if l.service != "AmazonAthena" && !strings.Contains(l.service, "Athena") {
		return nil
	}
	b.Athena++
	if b.Currency == "" {
		b.Currency = l.currency
	}
	if l.currency != "" && l.currency != b.Currency {
		return fmt.Errorf("the bill has lines in %s and in %s: want one currency", clip(b.Currency), clip(l.currency))
	}
	if !isUsage(l.lineType) {
		k := Key{Account: orUnknown(l.account), Region: orUnknown(l.region), Kind: clip(l.lineType)}
		if !l.start.IsZero() {
			k.Date = athenatrail.DateOf(l.start)
		}
		if len(b.adjusted) >= maxTypes && !b.adjusted[k.Kind] {
			k.Kind = "Other"
		}
		b.adjusted[k.Kind] = true
		sum := b.Adjustments[k]
		if err := add(&sum, l.cost); err != nil {
			return err
		}
		b.Adjustments[k] = sum
		return nil
	}
	if l.start.IsZero() {
		return b.wrong(errors.New("a line of Athena without the time of its usage"))
	}
	if l.isLong() {
		b.Monthly = true
	}
	k := Key{athenatrail.DateOf(l.start), orUnknown(l.account), orUnknown(l.region), kindOf(l.usageType)}
	if k.Kind == Other && len(b.Types) < maxTypes {
		b.Types[clip(l.usageType)] = true
	}
	a := b.Usage[k]
	if a == nil {
		a = &Amount{}
		b.Usage[k] = a
	}
	return errors.Join(add(&a.Quantity, l.quantity), add(&a.Cost, l.cost))
}

const (
	maxTypes    = 100
	maxProblems = 20
)

// wrong notes a line that could not be read and goes on.
func (b *Bill) wrong(err error) error {
	b.Wrong++
	if len(b.Problems) < maxProblems {
		b.Problems = append(b.Problems, err.Error())
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return clip(s)
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "..."
	}
	return s
}
