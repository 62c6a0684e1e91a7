package price

import (
	"math"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// minMegabytes is what a statement is charged for at least (pricing page).
const minMegabytes = 10

// An Execution is what the cost of one SQL statement depends on. What is not
// known is nil or empty.
type Execution struct {
	Region string
	Day    athenatrail.Date // of its start

	State            string // as Athena's API spells it; CANCELED is taken for CANCELLED
	StatementType    string // DML, DDL or UTILITY
	SubstatementType string // open; SELECT, INSERT, EXPLAIN_ANALYZE ...
	ScannedBytes     *int64 // Statistics.DataScannedInBytes
	Reused           *bool  // Statistics.ResultReuseInformation.ReusedPreviousResult

	// DPUCount is Statistics.DpuCount, which is there only for statements
	// that ran on reserved capacity: its presence is the sign.
	DPUCount *float64
}

// A Cost is what an execution is charged for. BilledBytes and Amount are nil
// and Basis is empty where they cannot be said.
type Cost struct {
	BilledBytes *int64 // what the price is multiplied with
	Amount      *athenatrail.Money
	Currency    string
	Basis       string // one of athenatrail's Basis constants
}

// Statement returns the cost of one SQL statement:
//
//   - not finished: nothing can be said;
//   - on reserved capacity: not charged by bytes, whatever became of it;
//   - failed, or answered from an earlier result: free;
//   - DDL and UTILITY: free, except EXPLAIN ANALYZE, which runs its query, and
//     CREATE TABLE AS SELECT should Athena call it DDL;
//   - DML that succeeded or was cancelled: the bytes scanned, rounded up to a
//     megabyte and at least ten, times the region's price of a terabyte,
//     rounded half up to a billionth, once;
//   - a statement whose type is not known: by its bytes like DML, since only
//     what is charged scans any; without bytes it is free.
func (t *Table) Statement(e Execution) Cost {
	switch e.State {
	case "SUCCEEDED", "CANCELLED", "CANCELED", "FAILED":
	default:
		return Cost{}
	}
	if e.DPUCount != nil {
		return Cost{Basis: athenatrail.BasisCapacity}
	}
	amount, currency, custom, priced := t.SQL(e.Region, e.Day)
	free := Cost{BilledBytes: new(int64), Amount: new(athenatrail.Money), Currency: currency, Basis: athenatrail.BasisFree}
	if e.State == "FAILED" || e.Reused != nil && *e.Reused {
		return free
	}
	class := classOf(e.StatementType, e.SubstatementType)
	switch {
	case class == unscanned:
		return free
	case e.ScannedBytes == nil || *e.ScannedBytes < 0:
		return Cost{}
	case *e.ScannedBytes == 0 && (class == unknown || t.zeroByteFree):
		return free
	}

	billed := t.billed(*e.ScannedBytes)
	cost := Cost{BilledBytes: &billed, Basis: athenatrail.BasisUnpriced}
	if !priced {
		return cost
	}
	total, ok := amount.MulDiv(billed, t.terabyte)
	if !ok || total > maxCost {
		return cost // no table column could hold it
	}
	cost.Amount, cost.Currency, cost.Basis = &total, currency, athenatrail.BasisList
	if custom {
		cost.Basis = athenatrail.BasisCustom
	}
	return cost
}

// maxCost is the largest amount that a DECIMAL(18,9) holds.
const maxCost = athenatrail.Money(999_999_999_999_999_999)

// billed rounds bytes up to whole megabytes, at least [minMegabytes].
func (t *Table) billed(bytes int64) int64 {
	whole := bytes / t.megabyte
	if bytes%t.megabyte != 0 && whole < math.MaxInt64/t.megabyte {
		whole++
	}
	return max(whole, minMegabytes) * t.megabyte
}

type class int

const (
	unknown class = iota
	scanning
	unscanned
)

// classOf tells what can be charged. Athena's documentation counts CREATE
// TABLE AS SELECT as DML and EXPLAIN as UTILITY, and lists no substatement
// types, so their words are looked for however they are joined.
func classOf(statement, substatement string) class {
	sub := strings.ToUpper(substatement)
	explains, analyzes := strings.Contains(sub, "EXPLAIN"), strings.Contains(sub, "ANALYZE")
	switch strings.ToUpper(statement) {
	case "DML":
		if explains && !analyzes {
			return unscanned
		}
		return scanning
	case "DDL":
		if strings.Contains(sub, "SELECT") {
			return scanning
		}
		return unscanned
	case "UTILITY":
		if explains && analyzes {
			return scanning
		}
		return unscanned
	}
	return unknown
}
