package price

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
)

func ptr[T any](v T) *T { return &v }

func text(c Cost) string {
	s := "null"
	if c.Amount != nil {
		s = c.Amount.String()
	}
	if c.Currency != "" {
		s += " " + c.Currency
	}
	if c.Basis != "" {
		s += " " + c.Basis
	}
	return s
}

// Five programs give four answers to these (field notes, "What it cost");
// these are AWS's rules, for both sizes of a terabyte.
func TestStatementAgainstOtherTools(t *testing.T) {
	for _, c := range []struct {
		name            string
		bytes           int64
		state           string
		decimal, binary string
	}{
		{"a decimal terabyte", 1e12, "SUCCEEDED", "5.000000000 USD list", "4.547476768 USD list"},
		{"a binary terabyte", 1 << 40, "SUCCEEDED", "5.497560000 USD list", "5.000000000 USD list"},
		{"3 MB: the minimum", 3e6, "SUCCEEDED", "0.000050000 USD list", "0.000047684 USD list"},
		{"rounded up to one MB, not to ten", 12_345_678, "SUCCEEDED", "0.000065000 USD list", "0.000057220 USD list"},
		{"500 GB that failed", 500e9, "FAILED", "0.000000000 USD free", "0.000000000 USD free"},
	} {
		e := Execution{Region: "us-east-1", Day: day(t, "2026-05-04"), State: c.state, StatementType: "DML", SubstatementType: "SELECT", ScannedBytes: &c.bytes}
		if got := text(table(t, Settings{Units: "decimal"}).Statement(e)); got != c.decimal {
			t.Errorf("%s, decimal: %s, want %s", c.name, got, c.decimal)
		}
		if got := text(table(t, Settings{Units: "binary"}).Statement(e)); got != c.binary {
			t.Errorf("%s, binary: %s, want %s", c.name, got, c.binary)
		}
	}
}

func TestStatement(t *testing.T) {
	const mb = 1 << 20
	dml := func(change func(*Execution)) Execution {
		e := Execution{Region: "us-east-1", Day: 20000, State: "SUCCEEDED", StatementType: "DML", SubstatementType: "SELECT", ScannedBytes: ptr(int64(100 * mb))}
		change(&e)
		return e
	}
	for _, c := range []struct {
		name   string
		e      Execution
		billed int64 // -1 for nil
		cost   string
	}{
		{"succeeded", dml(func(e *Execution) {}), 100 * mb, "0.000476837 USD list"},
		{"cancelled is charged", dml(func(e *Execution) { e.State = "CANCELLED" }), 100 * mb, "0.000476837 USD list"},
		{"one L", dml(func(e *Execution) { e.State = "CANCELED" }), 100 * mb, "0.000476837 USD list"},
		{"cancelled early: the minimum", dml(func(e *Execution) { e.State = "CANCELLED"; e.ScannedBytes = ptr(int64(1)) }), 10 * mb, "0.000047684 USD list"},
		{"failed", dml(func(e *Execution) { e.State = "FAILED" }), 0, "0.000000000 USD free"},
		{"failed, bytes unknown", dml(func(e *Execution) { e.State = "FAILED"; e.ScannedBytes = nil }), 0, "0.000000000 USD free"},
		{"queued", dml(func(e *Execution) { e.State = "QUEUED" }), -1, "null"},
		{"running", dml(func(e *Execution) { e.State = "RUNNING" }), -1, "null"},
		{"running on capacity", dml(func(e *Execution) { e.State = "RUNNING"; e.DPUCount = ptr(4.0) }), -1, "null"},
		{"no state", dml(func(e *Execution) { e.State = "" }), -1, "null"},
		{"bytes unknown", dml(func(e *Execution) { e.ScannedBytes = nil }), -1, "null"},
		{"bytes negative", dml(func(e *Execution) { e.ScannedBytes = ptr(int64(-5)) }), -1, "null"},
		{"reused", dml(func(e *Execution) { e.Reused = ptr(true) }), 0, "0.000000000 USD free"},
		{"not reused", dml(func(e *Execution) { e.Reused = ptr(false) }), 100 * mb, "0.000476837 USD list"},
		{"zero bytes", dml(func(e *Execution) { e.ScannedBytes = ptr(int64(0)) }), 10 * mb, "0.000047684 USD list"},
		{"exactly ten", dml(func(e *Execution) { e.ScannedBytes = ptr(int64(10 * mb)) }), 10 * mb, "0.000047684 USD list"},
		{"ten and a byte", dml(func(e *Execution) { e.ScannedBytes = ptr(int64(10*mb + 1)) }), 11 * mb, "0.000052452 USD list"},

		{"DDL", dml(func(e *Execution) { e.StatementType = "DDL"; e.SubstatementType = "CREATE_TABLE" }), 0, "0.000000000 USD free"},
		{"DDL, bytes unknown", dml(func(e *Execution) {
			e.StatementType, e.SubstatementType, e.ScannedBytes = "DDL", "", nil
		}), 0, "0.000000000 USD free"},
		{"CTAS should Athena call it DDL", dml(func(e *Execution) {
			e.StatementType, e.SubstatementType = "DDL", "CREATE_TABLE_AS_SELECT"
		}), 100 * mb, "0.000476837 USD list"},
		{"UTILITY", dml(func(e *Execution) { e.StatementType = "UTILITY"; e.SubstatementType = "SHOW_TABLES" }), 0, "0.000000000 USD free"},
		{"EXPLAIN", dml(func(e *Execution) { e.StatementType = "UTILITY"; e.SubstatementType = "EXPLAIN" }), 0, "0.000000000 USD free"},
		{"EXPLAIN as DML", dml(func(e *Execution) {
			e.SubstatementType, e.ScannedBytes = "EXPLAIN", ptr(int64(0))
		}), 0, "0.000000000 USD free"},
		{"EXPLAIN ANALYZE", dml(func(e *Execution) { e.StatementType = "UTILITY"; e.SubstatementType = "EXPLAIN_ANALYZE" }), 100 * mb, "0.000476837 USD list"},
		{"EXPLAIN ANALYZE as DML", dml(func(e *Execution) { e.SubstatementType = "explain analyze" }), 100 * mb, "0.000476837 USD list"},
		{"no type, bytes", dml(func(e *Execution) { e.StatementType = ""; e.SubstatementType = "" }), 100 * mb, "0.000476837 USD list"},
		{"new type, bytes", dml(func(e *Execution) { e.StatementType = "PROCEDURE" }), 100 * mb, "0.000476837 USD list"},
		{"no type, no bytes", dml(func(e *Execution) { e.StatementType = ""; e.ScannedBytes = ptr(int64(0)) }), 0, "0.000000000 USD free"},

		{"capacity", dml(func(e *Execution) { e.DPUCount = ptr(24.0) }), -1, "null capacity"},
		{"capacity, failed", dml(func(e *Execution) { e.DPUCount = ptr(24.0); e.State = "FAILED" }), -1, "null capacity"},
		{"capacity, DDL", dml(func(e *Execution) { e.DPUCount = ptr(4.0); e.StatementType = "DDL" }), -1, "null capacity"},

		{"no price", dml(func(e *Execution) { e.Region = "eu-south-1" }), 100 * mb, "null unpriced"},
		{"no price, free all the same", dml(func(e *Execution) { e.Region = "eu-south-1"; e.State = "FAILED" }), 0, "0.000000000 free"},
		{"dearer", dml(func(e *Execution) { e.Region = "sa-east-1" }), 100 * mb, "0.000858307 USD list"},
		{"China", dml(func(e *Execution) { e.Region = "cn-northwest-1" }), 100 * mb, "0.003274918 CNY list"},
	} {
		got := table(t, Settings{}).Statement(c.e)
		billed := int64(-1)
		if got.BilledBytes != nil {
			billed = *got.BilledBytes
		}
		if billed != c.billed || text(got) != c.cost {
			t.Errorf("%s: %d bytes, %s; want %d bytes, %s", c.name, billed, text(got), c.billed, c.cost)
		}
	}
}

func TestZeroByteDML(t *testing.T) {
	e := Execution{Region: "us-east-1", Day: 20000, State: "SUCCEEDED", StatementType: "DML", ScannedBytes: ptr(int64(0))}
	if got := text(table(t, Settings{ZeroByteDML: "free"}).Statement(e)); got != "0.000000000 USD free" {
		t.Error(got)
	}
	e.ScannedBytes = ptr(int64(1))
	if got := text(table(t, Settings{ZeroByteDML: "free"}).Statement(e)); got != "0.000047684 USD list" {
		t.Error(got)
	}
}

func TestStatementOfCustomPrice(t *testing.T) {
	e := Execution{Region: "us-east-1", Day: 20000, State: "SUCCEEDED", StatementType: "DML", ScannedBytes: ptr(int64(1 << 40))}
	s := Settings{Prices: []Override{{Region: "us-east-1", SQLPerTB: "4.123456789", Currency: "EUR"}}}
	if got := text(table(t, s).Statement(e)); got != "4.123456789 EUR custom" {
		t.Error(got)
	}
	s.Prices[0].SQLPerTB = "1000000"
	e.ScannedBytes = ptr(int64(math.MaxInt64))
	if got := text(table(t, s).Statement(e)); got != "null unpriced" {
		t.Error("an amount that no column can hold:", got)
	}
}

func TestStatementProperties(t *testing.T) {
	tables := map[string]*Table{}
	for _, units := range []string{"binary", "decimal"} {
		for _, zero := range []string{"minimum", "free"} {
			tables[units+zero] = table(t, Settings{Units: units, ZeroByteDML: zero})
		}
	}
	regions := rapid.SampledFrom([]string{"us-east-1", "us-west-1", "sa-east-1", "cn-northwest-1", "eu-south-1"})
	states := rapid.SampledFrom([]string{"SUCCEEDED", "CANCELLED", "FAILED", "RUNNING", ""})
	types := rapid.SampledFrom([]string{"DML", "DDL", "UTILITY", ""})
	bytes := rapid.OneOf(rapid.Int64Range(0, 64<<20), rapid.Int64Range(0, 1<<50), rapid.Int64Range(0, math.MaxInt64))

	rapid.Check(t, func(t *rapid.T) {
		tab := tables[rapid.SampledFrom([]string{"binaryminimum", "binaryfree", "decimalminimum", "decimalfree"}).Draw(t, "table")]
		few, more := bytes.Draw(t, "few"), bytes.Draw(t, "more")
		few, more = min(few, more), max(few, more)
		e := Execution{Region: regions.Draw(t, "region"), Day: 20000, State: states.Draw(t, "state"), StatementType: types.Draw(t, "type")}
		e.ScannedBytes = &few
		small := tab.Statement(e)
		e.ScannedBytes = &more
		large := tab.Statement(e)

		for _, c := range []Cost{small, large} {
			if c.Amount != nil && *c.Amount < 0 || c.BilledBytes != nil && *c.BilledBytes < 0 {
				t.Fatalf("negative: %s", text(c))
			}
			if (c.Amount == nil) != (c.Basis == "" || c.Basis == athenatrail.BasisUnpriced) {
				t.Fatalf("amount and basis disagree: %s", text(c))
			}
			if c.Basis == athenatrail.BasisList {
				if *c.BilledBytes < 10*tab.megabyte || *c.BilledBytes%tab.megabyte != 0 {
					t.Fatalf("billed %d bytes", *c.BilledBytes)
				}
				price, _, _, _ := tab.SQL(e.Region, e.Day)
				exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(price)), big.NewInt(*c.BilledBytes)), big.NewInt(tab.terabyte))
				off := exact.Sub(exact, new(big.Rat).SetInt64(int64(*c.Amount)))
				if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
					t.Fatalf("%s is more than half a billionth off", text(c))
				}
			}
		}
		if small.BilledBytes != nil && large.BilledBytes != nil && *small.BilledBytes > *large.BilledBytes {
			t.Fatalf("%d bytes are billed as %d, %d as %d", few, *small.BilledBytes, more, *large.BilledBytes)
		}
		if small.Amount != nil && large.Amount != nil && *small.Amount > *large.Amount {
			t.Fatalf("%d bytes cost %s, %d cost %s", few, text(small), more, text(large))
		}
		if large.BilledBytes != nil && *large.BilledBytes > 0 && *large.BilledBytes < more && more < math.MaxInt64-tab.megabyte {
			t.Fatalf("billed %d of %d bytes", *large.BilledBytes, more)
		}
	})
}
