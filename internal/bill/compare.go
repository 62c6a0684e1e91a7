package bill

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

// Systems of units: what a megabyte and a terabyte are.
const (
	Binary  = "binary"  // 2^20 and 2^40 bytes
	Decimal = "decimal" // 10^6 and 10^12 bytes
)

const (
	binaryTB  = 1 << 40
	decimalTB = 1_000_000_000_000

	millisPerHour = 3_600_000
)

// A Lake is what was used, as far as a lake knows.
type Lake struct {
	binary, decimal *price.Table
	sums            map[Key]*use
	people          map[personKey]int64 // DPU milliseconds on reserved capacity
	unknown         map[Key]int64       // executions without their bytes
}

// A use holds a day's use in both systems of units, in bytes that are billed,
// or in DPU milliseconds.
type use struct{ binary, decimal, dpuMillis int64 }

type personKey struct {
	Key
	person string
}

// NewLake returns an empty Lake. ZeroByteDML is the setting of that name.
func NewLake(zeroByteDML string) (*Lake, error) {
	l := &Lake{sums: map[Key]*use{}, people: map[personKey]int64{}, unknown: map[Key]int64{}}
	var err error
	if l.binary, err = price.NewTable(price.Settings{Units: Binary, ZeroByteDML: zeroByteDML}); err != nil {
		return nil, err
	}
	l.decimal, err = price.NewTable(price.Settings{Units: Decimal, ZeroByteDML: zeroByteDML})
	return l, err
}

func (l *Lake) use(k Key) *use {
	u := l.sums[k]
	if u == nil {
		u = &use{}
		l.sums[k] = u
	}
	return u
}

// Statement adds an execution, which AWS bills on the day on which it ended.
// What ran on reserved capacity counts there by its DPUs and the time that the
// engine took.
func (l *Lake) Statement(day athenatrail.Date, account, person string, e price.Execution, engineMillis *int64) {
	k := Key{day, account, e.Region, SQL}
	if e.DPUCount != nil {
		k.Kind = Capacity
		if engineMillis == nil || !(*e.DPUCount >= 0 && *e.DPUCount < 1e6) || *engineMillis < 0 || *engineMillis > 1e12 {
			l.unknown[k]++
			return
		}
		millis := int64(math.Round(*e.DPUCount * float64(*engineMillis)))
		l.use(k).dpuMillis += millis
		l.people[personKey{k, person}] += millis
		return
	}
	b, d := l.binary.Statement(e).BilledBytes, l.decimal.Statement(e).BilledBytes
	if b == nil || d == nil {
		l.unknown[k]++
		return
	}
	if *b == 0 {
		return
	}
	u := l.use(k)
	u.binary += *b
	u.decimal += *d
}

// Session adds a session of Athena for Apache Spark.
func (l *Lake) Session(day athenatrail.Date, account, region string, dpuMillis *int64) {
	k := Key{day, account, region, Spark}
	if dpuMillis == nil {
		l.unknown[k]++
		return
	}
	l.use(k).dpuMillis += *dpuMillis
}

// A Row compares one day of an account, a region and a kind of usage. Where
// lines cover more than a day, a row is all of the bill's time.
type Row struct {
	Key
	Billed      Fixed // by AWS, in the kind's unit
	Explained   Fixed // by the lake; of reserved capacity what was used
	Unexplained Fixed // Billed less Explained: idle capacity; below zero where the lake knows of more
	Cost        Fixed // on the bill
	Unpaid      Fixed // the cost of what is unexplained, at the row's own price
	Unknown     int64 // executions of the lake whose bytes or time are not known
}

// Difference is Unexplained in percent of Billed; false where nothing is
// billed.
func (r *Row) Difference() (float64, bool) {
	if r.Billed == 0 {
		return 0, false
	}
	return 100 * r.Unexplained.Float() / r.Billed.Float(), true
}

// A Share is a person's part of a reserved capacity, or the idle part.
type Share struct {
	Account, Region, Person string // person is empty for what was idle
	DPUHours                Fixed
	Cost                    Fixed
}

// A Comparison is what a bill and a lake say together.
type Comparison struct {
	Rows   []Row // by day, account, region and kind
	Shares []Share

	// Units is the system that fits, or empty where neither does: then Binary
	// is computed with. Implied is how many bytes a terabyte of the bill has,
	// by the rows that fit; 0 where none does. Fits are the shares of billed
	// terabytes, in percent, in rows that agree with the lake to a hundredth.
	Units             string
	Implied           float64
	FitBinary, FitDec float64

	Adjustments []Adjustment
	Total       Fixed // the invoice
}

// An Adjustment is what is charged or given back beside usage.
type Adjustment struct {
	Type string
	Cost Fixed
}

// near is how far a day may be off and still tell the units, which are a tenth
// apart: rounding of lines, and executions around midnight.
const near = 0.01

// Compare compares a bill with a lake, over the days of the bill.
func Compare(b *Bill, l *Lake) (*Comparison, error) {
	c := &Comparison{}
	billed, uses, unknowns := map[Key]*Amount{}, map[Key]*use{}, map[Key]int64{}
	fold := func(k Key) Key {
		if b.Monthly {
			k.Date = b.From
		}
		return k
	}
	keys := map[Key]bool{}
	for k, a := range b.Usage {
		k = fold(k)
		if billed[k] == nil {
			billed[k] = &Amount{}
		}
		if err := add(&billed[k].Quantity, a.Quantity); err != nil {
			return nil, err
		}
		if err := add(&billed[k].Cost, a.Cost); err != nil {
			return nil, err
		}
		keys[k] = true
	}
	within := func(k Key) bool { return k.Date >= b.From && k.Date < b.To }
	for k, u := range l.sums {
		if !within(k) {
			continue
		}
		k = fold(k)
		if uses[k] == nil {
			uses[k] = &use{}
		}
		uses[k].binary += u.binary
		uses[k].decimal += u.decimal
		uses[k].dpuMillis += u.dpuMillis
		keys[k] = true
	}
	for k, n := range l.unknown {
		if within(k) {
			unknowns[fold(k)] += n
			keys[fold(k)] = true
		}
	}
	c.units(billed, uses)
	for k := range keys {
		r := Row{Key: k, Unknown: unknowns[k]}
		if a := billed[k]; a != nil {
			r.Billed, r.Cost = a.Quantity, a.Cost
		}
		if u := uses[k]; u != nil {
			var err error
			if r.Explained, err = u.quantity(k.Kind, c.Units); err != nil {
				return nil, err
			}
		}
		r.Unexplained = r.Billed - r.Explained
		if r.Billed != 0 {
			paid, err := fixedOf(r.Cost.Float() * r.Unexplained.Float() / r.Billed.Float())
			if err != nil {
				return nil, err
			}
			r.Unpaid = paid
		} else if r.Kind == Other {
			r.Unpaid = r.Cost
		}
		c.Rows = append(c.Rows, r)
	}
	slices.SortFunc(c.Rows, func(a, b Row) int { return compareKeys(a.Key, b.Key) })
	if err := c.shares(l, billed, within); err != nil {
		return nil, err
	}
	adjustments := map[string]Fixed{}
	for k, cost := range b.Adjustments {
		sum := adjustments[k.Kind]
		if err := add(&sum, cost); err != nil {
			return nil, err
		}
		adjustments[k.Kind] = sum
	}
	for kind, cost := range adjustments {
		c.Adjustments = append(c.Adjustments, Adjustment{kind, cost})
	}
	slices.SortFunc(c.Adjustments, func(a, b Adjustment) int { return strings.Compare(a.Type, b.Type) })
	var err error
	c.Total, err = b.Total()
	return c, err
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Date, b.Date), strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(a.Kind, b.Kind))
}

// quantity is what was used in the unit that is billed, rounded to 10^-12.
func (u *use) quantity(kind, units string) (Fixed, error) {
	switch {
	case kind != SQL:
		return fixedOf(float64(u.dpuMillis) / millisPerHour)
	case units == Decimal:
		return Fixed(u.decimal), nil // a byte is 10^-12 of a terabyte
	}
	return fixedOf(float64(u.binary) / binaryTB)
}

// units finds the system of units in which most of the billed terabytes agree
// with the lake. Sums would not tell: a lake that lacks a tenth looks in one
// system as a whole one does in the other.
func (c *Comparison) units(billed map[Key]*Amount, uses map[Key]*use) {
	var all, fitBinary, fitDecimal, bytesBinary, bytesDecimal float64
	for k, a := range billed {
		u := uses[k]
		if k.Kind != SQL || a.Quantity <= 0 {
			continue
		}
		q := a.Quantity.Float()
		all += q
		if u == nil {
			continue
		}
		if math.Abs(float64(u.binary)/binaryTB/q-1) < near {
			fitBinary += q
			bytesBinary += float64(u.binary)
		}
		if math.Abs(float64(u.decimal)/decimalTB/q-1) < near {
			fitDecimal += q
			bytesDecimal += float64(u.decimal)
		}
	}
	if all == 0 {
		return
	}
	c.FitBinary, c.FitDec = 100*fitBinary/all, 100*fitDecimal/all
	switch {
	case fitBinary > fitDecimal:
		c.Units, c.Implied = Binary, bytesBinary/fitBinary
	case fitDecimal > fitBinary:
		c.Units, c.Implied = Decimal, bytesDecimal/fitDecimal
	}
}

// shares splits the cost of reserved capacity by the DPU time of those who
// used it. What nobody used is idle, and has the rest of the cost.
func (c *Comparison) shares(l *Lake, billed map[Key]*Amount, within func(Key) bool) error {
	type place struct{ account, region string }
	hours, costs := map[place]Fixed{}, map[place]Fixed{}
	for k, a := range billed {
		if k.Kind == Capacity {
			p := place{k.Account, k.Region}
			hours[p] += a.Quantity
			costs[p] += a.Cost
		}
	}
	used := map[place]map[string]int64{}
	for k, millis := range l.people {
		if within(k.Key) {
			p := place{k.Account, k.Region}
			if used[p] == nil {
				used[p] = map[string]int64{}
			}
			used[p][k.person] += millis
		}
	}
	for p := range used {
		hours[p] += 0 // used, and perhaps not on this bill
	}
	for p, whole := range hours {
		idle, rest := whole, costs[p]
		for person, millis := range used[p] {
			part, err := fixedOf(float64(millis) / millisPerHour)
			if err != nil {
				return err
			}
			s := Share{p.account, p.region, person, part, 0}
			if whole > 0 {
				if s.Cost, err = fixedOf(costs[p].Float() * part.Float() / whole.Float()); err != nil {
					return err
				}
			}
			idle, rest = idle-part, rest-s.Cost
			c.Shares = append(c.Shares, s)
		}
		if whole > 0 {
			c.Shares = append(c.Shares, Share{p.account, p.region, "", idle, rest})
		}
	}
	slices.SortFunc(c.Shares, func(a, b Share) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), cmp.Compare(b.DPUHours, a.DPUHours), strings.Compare(a.Person, b.Person))
	})
	return nil
}

// Sums adds up the cost of usage; what of it is unexplained, where the days of
// an account, a region and a kind make up for each other and nothing else does;
// and what idle capacity cost, which is explained: somebody reserved it.
func (c *Comparison) Sums() (cost, unexplained, idle Fixed) {
	places := map[Key]Fixed{}
	for _, r := range c.Rows {
		cost += r.Cost
		if r.Kind != Capacity {
			r.Date = 0
			places[r.Key] += r.Unpaid
		}
	}
	for _, v := range places {
		unexplained += max(0, v)
	}
	for _, s := range c.Shares {
		if s.Person == "" {
			idle += max(0, s.Cost)
		}
	}
	return cost, unexplained, idle
}

// Beyond counts the rows in which the lake knows of more than was billed, by
// over a hundredth.
func (c *Comparison) Beyond() (n int) {
	for _, r := range c.Rows {
		if r.Unexplained.Float() < -near*r.Explained.Float() {
			n++
		}
	}
	return n
}
