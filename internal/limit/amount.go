package limit

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A Measure is what a limit counts.
type Measure string

// Values of Measure, with the unit of their numbers.
const (
	ScannedBytes Measure = "scanned_bytes" // bytes that SQL scanned
	Cost         Measure = "cost"          // billionths of the currency's unit, of SQL and Spark
	Queries      Measure = "queries"       // statements that ran
	DPUTime      Measure = "dpu_time"      // DPU-milliseconds of Spark sessions
	FailedShare  Measure = "failed_share"  // millionths of the statements whose end is known
	QueryBytes   Measure = "query_bytes"   // bytes, of the query that scanned most
)

var measures = []string{string(ScannedBytes), string(Cost), string(Queries), string(DPUTime), string(FailedShare), string(QueryBytes)}

// adds tells whether the measure of two times is the sum of their measures.
func (m Measure) adds() bool { return m != FailedShare && m != QueryBytes }

// million is the whole of a share.
const million = 1_000_000

// leastFinished is how many queries must have ended before the share of those
// that failed is compared with anything: one failure of one query is no habit.
const leastFinished = 10

// An Amount is how much a limit allows, in the unit of its measure.
type Amount struct {
	Value   int64
	Measure Measure

	// Unit is as it was written: TB or TiB, which decides in which kind of
	// unit people are told of use; of a cost, the currency.
	Unit string
}

var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
}

var timeUnits = []struct {
	name   string
	millis int64
}{{"h", 3_600_000}, {"min", 60_000}, {"s", 1000}}

// amountForms are what an amount of each measure looks like.
var amountForms = map[Measure]string{
	ScannedBytes: "bytes with their unit, such as 2 TB (10^12) or 2 TiB (2^40)",
	QueryBytes:   "bytes with their unit, such as 500 GB (10^9) or 500 GiB (2^30)",
	Cost:         "money with its currency, such as 50 USD",
	Queries:      "a whole number, such as 500",
	DPUTime:      "DPU time, such as 10 h or 90 min",
	FailedShare:  "a share of all queries from 1 % to 99 %, such as 20 %",
}

// parseAmount reads the amount of a measure. What is wanted instead is not
// empty where it cannot.
func parseAmount(m Measure, text string) (a Amount, want string) {
	number, unit := splitUnit(text)
	a = Amount{Measure: m, Unit: unit}
	scale, isScale := int64(0), false
	switch m {
	case ScannedBytes, QueryBytes:
		for _, u := range byteUnits {
			if strings.EqualFold(u.name, unit) {
				scale, isScale, a.Unit = u.bytes, true, u.name
			}
		}
	case Cost:
		scale, isScale = athenatrail.MoneyScale, len(unit) == 3 && strings.Trim(unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	case Queries:
		scale, isScale = 1, unit == "" || unit == "queries"
		a.Unit = "queries"
	case DPUTime:
		for _, u := range timeUnits {
			if u.name == unit {
				scale, isScale = u.millis, true
			}
		}
	case FailedShare:
		scale, isScale = million/100, unit == "%"
	}
	if strings.HasPrefix(number, "-") {
		return a, "an amount above zero: " + amountForms[m]
	}
	value, whole, ok := times(number, scale)
	switch {
	case !isScale || !ok:
		return a, amountForms[m]
	case m == Queries && !whole:
		return a, amountForms[m]
	case value <= 0:
		return a, "an amount above zero: " + amountForms[m]
	case m == FailedShare && value >= million:
		return a, amountForms[m]
	}
	a.Value = value
	return a, ""
}

// splitUnit cuts a text behind its number.
func splitUnit(text string) (number, unit string) {
	text = strings.TrimSpace(text)
	n := len(text) - len(strings.TrimLeft(text, "-0123456789."))
	return text[:n], strings.TrimSpace(text[n:])
}

// times returns a decimal times scale, rounded down, and whether it was whole.
func times(number string, scale int64) (value int64, whole, ok bool) {
	if len(number) > 40 || number == "" || strings.HasPrefix(number, ".") || strings.HasSuffix(number, ".") || strings.Trim(number, "0123456789.") != "" {
		return 0, false, false
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, false, false
	}
	r.Mul(r, new(big.Rat).SetInt64(scale))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	return n.Int64(), r.IsInt(), n.IsInt64() && n.Int64() < math.MaxInt64/2
}

// String writes the amount as it is allowed: 2 TB, $50.00.
func (a Amount) String() string {
	number, unit, found := strings.Cut(a.Format(a.Value), " ")
	if found && strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if a.Measure == Cost || !found {
		return a.Format(a.Value)
	}
	return number + " " + unit
}

// Format writes a value of the amount's measure in the kind of unit that the
// amount has: beside 2 TB, 1.94 TB; beside 2 TiB, 1.77 TiB.
func (a Amount) Format(v int64) string {
	switch a.Measure {
	case ScannedBytes, QueryBytes:
		return formatBytes(v, strings.Contains(a.Unit, "i"))
	case Cost:
		return formatMoney(athenatrail.Money(v), a.Unit)
	case DPUTime:
		return formatDPUTime(v)
	case FailedShare:
		return digits(float64(v)*100/million) + " %"
	}
	text := thousands(v)
	if v == 1 {
		return text + " query"
	}
	return text + " queries"
}

// UnitName is what a value of the amount counts: bytes, USD, queries, dpu_ms,
// percent. A cost is in units of its currency, a share in percent.
func (a Amount) UnitName() string {
	switch a.Measure {
	case ScannedBytes, QueryBytes:
		return "bytes"
	case Cost:
		return a.Unit
	case DPUTime:
		return "dpu_ms"
	case FailedShare:
		return "percent"
	}
	return "queries"
}

// Decimal writes a value as a number in [Amount.UnitName].
func (a Amount) Decimal(v int64) string {
	switch a.Measure {
	case Cost:
		return athenatrail.Money(v).String()
	case FailedShare:
		return strconv.FormatFloat(float64(v)*100/million, 'f', -1, 64)
	}
	return strconv.FormatInt(v, 10)
}

func formatBytes(v int64, binary bool) string {
	for _, u := range byteUnits {
		if strings.Contains(u.name, "i") == binary && v >= u.bytes {
			return digits(float64(v)/float64(u.bytes)) + " " + u.name
		}
	}
	return strconv.FormatInt(v, 10) + " B"
}

func formatDPUTime(ms int64) string {
	switch {
	case ms >= 3_600_000:
		return digits(float64(ms)/3_600_000) + " h"
	case ms >= 60_000:
		return digits(float64(ms)/60_000) + " min"
	}
	return digits(float64(ms)/1000) + " s"
}

// formatMoney writes two digits behind the point, and what would look like
// nothing and is not as <$0.01.
func formatMoney(m athenatrail.Money, currency string) string {
	cents := int64(m) / (athenatrail.MoneyScale / 100)
	if int64(m)%(athenatrail.MoneyScale/100) >= athenatrail.MoneyScale/200 {
		cents++
	}
	sign := ""
	if cents == 0 && m > 0 {
		sign, cents = "<", 1
	}
	text := fmt.Sprintf("%s.%02d", thousands(cents/100), cents%100)
	if currency == "USD" {
		return sign + "$" + text
	}
	return sign + text + " " + currency
}

// digits writes a number with three digits that count.
func digits(f float64) string {
	places := 0
	switch {
	case f < 10:
		places = 2
	case f < 100:
		places = 1
	}
	return strconv.FormatFloat(f, 'f', places, 64)
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// reaches reports whether used has come to percent of allowed. What is allowed
// may be used up, so a threshold of 100 % or more takes going beyond it.
func reaches(used, allowed, percent int64) bool {
	a, b := wide(used, 100), wide(allowed, percent)
	if c := a.compare(b); percent < 100 {
		return c >= 0
	} else {
		return c > 0
	}
}

// A wideNumber is a product of two that are not negative.
type wideNumber struct{ high, low uint64 }

func wide(a, b int64) wideNumber {
	high, low := bits.Mul64(uint64(max(a, 0)), uint64(max(b, 0)))
	return wideNumber{high, low}
}

func (a wideNumber) compare(b wideNumber) int {
	switch {
	case a == b:
		return 0
	case a.high > b.high || a.high == b.high && a.low > b.low:
		return 1
	}
	return -1
}

// plus adds two numbers that are not negative, up to the largest there is, so
// that no order of adding makes a difference.
func plus(a, b int64) int64 {
	if a, b = max(a, 0), max(b, 0); a > math.MaxInt64-b {
		return math.MaxInt64
	} else {
		return a + b
	}
}
