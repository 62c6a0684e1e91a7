// Package price turns the bytes that an execution scanned into money. A
// [Table] holds dated prices per region: AWS's list prices, and before them
// what the configuration says. It reads no clock and computes in integers,
// so the same execution always costs the same.
//
// Not in it: what S3, Glue, KMS and Lambda charge for a query beside Athena.
package price

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// rules names the way costs are computed; it is a part of [Table.Hash] and
// changes when [Table.Statement] would answer differently for equal prices.
const rules = "price/1"

// Settings are what a [Table] is made from. The zero value is valid.
type Settings struct {
	// Units is "binary" (the default: a megabyte is 2^20 bytes, a terabyte
	// 2^40) or "decimal" (10^6 and 10^12). AWS does not say which it bills.
	Units string

	// ZeroByteDML settles what a DML statement costs that scanned nothing:
	// "minimum" (the default), the ten megabytes of any other, or "free".
	ZeroByteDML string

	Prices []Override
}

// An Override is one entry of the configuration's prices. Amounts are
// decimals as text; an empty one overrides nothing.
type Override struct {
	Region             string // such as eu-west-1, or * for every region without an entry of its own
	From               string // the first day, YYYY-MM-DD; empty for always
	SQLPerTB           string
	SparkPerDPUHour    string
	CapacityPerDPUHour string
	Currency           string // such as EUR; empty for USD, in China CNY
}

// A Price is what Athena charges in a region from a day on. An amount that is
// nil is not known.
type Price struct {
	Region             string
	From               athenatrail.Date
	SQLPerTB           *athenatrail.Money
	SparkPerDPUHour    *athenatrail.Money
	CapacityPerDPUHour *athenatrail.Money
	Currency           string
	Custom             bool // from the configuration
}

// A Table knows what Athena charges where and since when. It is safe for
// concurrent use.
type Table struct {
	megabyte, terabyte int64
	zeroByteFree       bool
	prices             map[string][]Price // by region; the newest first, custom before list
	all                []Price
}

// anyRegion is the region of an override that holds wherever no other one
// does.
const anyRegion = "*"

// NewTable returns the table of AWS's list prices with the settings' prices
// before them. The error names every entry that is wrong, as prices[i].key.
func NewTable(s Settings) (*Table, error) {
	t := &Table{prices: map[string][]Price{}}
	switch s.Units {
	case "", "binary":
		t.megabyte, t.terabyte = 1<<20, 1<<40
	case "decimal":
		t.megabyte, t.terabyte = 1e6, 1e12
	default:
		return nil, fmt.Errorf("price_units %q: want binary or decimal", s.Units)
	}
	switch s.ZeroByteDML {
	case "", "minimum":
	case "free":
		t.zeroByteFree = true
	default:
		return nil, fmt.Errorf("zero_byte_dml %q: want minimum or free", s.ZeroByteDML)
	}

	custom, err := overrides(s.Prices)
	if err != nil {
		return nil, err
	}
	t.all = append(custom, list()...)
	for _, p := range t.all {
		t.prices[p.Region] = append(t.prices[p.Region], p)
	}
	return t, nil
}

// Prices returns every entry: the configuration's by region and day, the
// newest first, then AWS's.
func (t *Table) Prices() []Price { return slices.Clone(t.all) }

// SQL returns the price of a terabyte scanned in region on day, and false when
// none is known. An override of the region goes before one of every region,
// and both before the list price.
func (t *Table) SQL(region string, day athenatrail.Date) (amount athenatrail.Money, currency string, custom, ok bool) {
	return t.find(region, day, func(p *Price) *athenatrail.Money { return p.SQLPerTB })
}

// Spark is [Table.SQL] for an hour of one DPU of a Spark session.
func (t *Table) Spark(region string, day athenatrail.Date) (amount athenatrail.Money, currency string, custom, ok bool) {
	return t.find(region, day, func(p *Price) *athenatrail.Money { return p.SparkPerDPUHour })
}

func (t *Table) find(region string, day athenatrail.Date, of func(*Price) *athenatrail.Money) (amount athenatrail.Money, currency string, custom, ok bool) {
	own := t.prices[region]
	for _, prices := range [...][]Price{own[:customs(own)], t.prices[anyRegion], own[customs(own):]} {
		for i := range prices {
			if p := &prices[i]; p.From <= day && of(p) != nil {
				return *of(p), p.Currency, p.Custom, true
			}
		}
	}
	return 0, "", false, false
}

// customs returns how many of a region's prices are custom; they come first.
func customs(prices []Price) int {
	n := 0
	for n < len(prices) && prices[n].Custom {
		n++
	}
	return n
}

// Hash returns 16 hex digits that change with anything that can change a cost.
func (t *Table) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d %d %t\n", rules, t.megabyte, t.terabyte, t.zeroByteFree)
	for _, p := range t.all {
		fmt.Fprintf(h, "%s %s %t %s", p.Region, p.From, p.Custom, p.Currency)
		for _, m := range [...]*athenatrail.Money{p.SQLPerTB, p.SparkPerDPUHour, p.CapacityPerDPUHour} {
			if m == nil {
				io.WriteString(h, " -")
			} else {
				fmt.Fprintf(h, " %s", m)
			}
		}
		io.WriteString(h, "\n")
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// defaultCurrency is what AWS bills in where nothing else is said: the regions
// in China are sold by other companies, in their currency.
func defaultCurrency(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "CNY"
	}
	return "USD"
}
