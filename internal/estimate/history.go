package estimate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

// A Run is a row of query_executions, with the columns that an estimate needs.
type Run struct {
	ID               string    `parquet:"query_execution_id,optional"`
	AccountID        string    `parquet:"account_id"`
	RegionName       string    `parquet:"region_name"`
	QueryFingerprint string    `parquet:"query_fingerprint,optional"`
	StatementType    string    `parquet:"statement_type,optional"`
	TextHash         string    `parquet:"text_hash,optional"`
	TextDt           string    `parquet:"text_dt,optional"`
	TablesAccessed   []string  `parquet:"tables_accessed,optional,list"`
	TablesWritten    []string  `parquet:"tables_written,optional,list"`
	StartedAt        time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
	State            string    `parquet:"state,optional"`
	DataScannedBytes *int64    `parquet:"data_scanned_bytes,optional"`
	ReusedResult     *bool     `parquet:"reused_result,optional"`

	Filtered *bool `parquet:"-"` // as [Filtered] tells of its SQL
}

func (r *Run) reads() (tables []string) {
	for _, t := range r.TablesAccessed {
		if !slices.Contains(r.TablesWritten, t) {
			tables = append(tables, t)
		}
	}
	return tables
}

// How many runs an estimate rests on.
const (
	enough  = 5   // below it, the range is made wider: see few
	few     = 2   // times as much and as little
	newest  = 200 // older runs are passed over: a table grows
	atLeast = 2   // of runs that only read the same tables

	manyTables = 50 // of more, what is read of each alone says nothing
)

// Shares of the runs below which low, likely and high lie.
const (
	lowShare    = 0.1
	likelyShare = 0.5
	highShare   = 0.95
)

// A Basis says what an estimate rests on.
type Basis string

// Values of Basis, the surest first.
const (
	ByQuery  Basis = "query"  // runs of the same query, whatever its literals
	ByTables Basis = "tables" // runs that read the same tables, filtered alike
	ByTable  Basis = "table"  // runs that read each of the tables alone, added up
	BySize   Basis = "size"   // the tables' sizes: at most
	ByKind   Basis = "kind"   // a statement that scans nothing
	NotKnown Basis = "not known"
)

// An Estimate is what a query will likely scan. Numbers that are not known are
// nil.
type Estimate struct {
	Basis             Basis
	Low, Likely, High *int64 // bytes
	Runs              int    // that it rests on; of ByTable, of the table with the fewest
	Since, Last       time.Time
	Account, Region   string // where these ran
	Note              string // what to know, in words

	Cost [3]price.Cost // of Low, Likely and High
}

// A home is an account and region: tables of the same name in two are two.
type home struct{ account, region string }

// A History collects the runs that tell of a plan.
type History struct {
	plan    *Plan
	catalog map[string]Table
	runs    map[home][]*Run
}

// NewHistory returns an empty history. Catalog may lack tables, and is of the
// account and region that the plan names, or of the only ones.
func NewHistory(p *Plan, catalog map[string]Table) *History {
	return &History{plan: p, catalog: catalog, runs: map[home][]*Run{}}
}

// Tells reports whether a run tells something of the plan, so that it is worth
// its SQL.
func (h *History) Tells(r *Run) bool {
	switch {
	case r.State != "SUCCEEDED" || r.DataScannedBytes == nil || *r.DataScannedBytes < 0 || r.ReusedResult != nil && *r.ReusedResult:
		return false
	case h.plan.Account != "" && r.AccountID != h.plan.Account || h.plan.Region != "" && r.RegionName != h.plan.Region:
		return false
	case h.plan.Fingerprint != "" && r.QueryFingerprint == h.plan.Fingerprint:
		return true
	case r.StatementType != "" && r.StatementType != "DML" || len(h.plan.Reads) == 0:
		return false
	}
	reads := r.reads()
	return slices.Equal(reads, h.plan.Reads) || len(reads) == 1 && slices.Contains(h.plan.Reads, reads[0])
}

// Add takes a run that tells something.
func (h *History) Add(r *Run) {
	at := home{r.AccountID, r.RegionName}
	h.runs[at] = append(h.runs[at], r)
}

// Estimate returns the estimate for a day's prices. It leaves the run with the
// id except out of it, if that is not empty.
func (h *History) Estimate(prices *price.Table, day athenatrail.Date, except string) *Estimate {
	e := h.bytes(except)
	if e.Region == "" {
		e.Account, e.Region = h.plan.Account, h.plan.Region
	}
	for i, bytes := range []*int64{e.Low, e.Likely, e.High} {
		kind := "DML"
		if e.Basis == ByKind {
			kind = "UTILITY"
		}
		if bytes != nil && e.Region != "" {
			e.Cost[i] = prices.Statement(price.Execution{Region: e.Region, Day: day, State: "SUCCEEDED", StatementType: kind, ScannedBytes: bytes})
		}
	}
	return e
}

func (h *History) bytes(except string) *Estimate {
	if h.plan.Known && !h.plan.Scans {
		zero := int64(0)
		return &Estimate{Basis: ByKind, Low: &zero, Likely: &zero, High: &zero, Note: "a statement of this kind scans nothing"}
	}
	var best *Estimate
	// The surest basis of any home; of homes with the same, the most runs.
	homes := make([]home, 0, len(h.runs))
	for at := range h.runs {
		homes = append(homes, at)
	}
	slices.SortFunc(homes, func(a, b home) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region))
	})
	for _, at := range homes {
		e := h.of(h.runs[at], except)
		if e == nil {
			continue
		}
		e.Account, e.Region = at.account, at.region
		if best == nil || rank(e.Basis) < rank(best.Basis) || e.Basis == best.Basis && e.Runs > best.Runs {
			best = e
		}
	}
	if best != nil {
		return best
	}
	if e := h.sizes(); e != nil {
		return e
	}
	return &Estimate{Basis: NotKnown, Note: h.unknown()}
}

func rank(b Basis) int { return slices.Index([]Basis{ByQuery, ByTables, ByTable, BySize}, b) }

// unknown says why nothing is known.
func (h *History) unknown() string {
	switch {
	case !h.plan.Known:
		return "this is no SQL of a kind that is known"
	case len(h.plan.Reads) == 0:
		return "no run of this query is known, and no table is found in it"
	case len(h.plan.Reads) == 1:
		return "no run of this query is known, and none that reads " + clip(h.plan.Reads[0])
	}
	return fmt.Sprintf("no run of this query is known, and not of each of its %d tables one that reads it alone", len(h.plan.Reads))
}

// clip bounds what is shown of a name.
func clip(s string) string {
	const most = 200
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// of estimates by the runs of one home; nil if they do not tell.
func (h *History) of(runs []*Run, except string) *Estimate {
	filtered := Filtered(h.plan.SQL, h.plan.Reads, h.catalog)
	var query, alike, other []*Run
	alone := map[string][]*Run{}
	for _, r := range runs {
		if except != "" && r.ID == except {
			continue
		}
		if h.plan.Fingerprint != "" && r.QueryFingerprint == h.plan.Fingerprint {
			query = append(query, r)
			continue
		}
		reads := r.reads()
		same := filtered == nil || r.Filtered == nil || *filtered == *r.Filtered
		if slices.Equal(reads, h.plan.Reads) {
			if same {
				alike = append(alike, r)
			} else {
				other = append(other, r)
			}
		}
		if len(reads) == 1 && same {
			alone[reads[0]] = append(alone[reads[0]], r)
		}
	}
	switch {
	case len(query) > 0:
		return ranged(ByQuery, query)
	case len(alike) >= atLeast:
		e := ranged(ByTables, alike)
		switch {
		case filtered == nil:
		case *filtered:
			e.Note = "of runs that name a partition column, as this query does"
		default:
			e.Note = "of runs that name no partition column, as this query does not"
		}
		return e
	}
	if len(h.plan.Reads) < 2 || len(h.plan.Reads) > manyTables {
		if len(other) > 0 && filtered != nil && *filtered {
			// What reads all of a table is the most that a part of it can be.
			e := ranged(ByTables, other)
			e.Low, e.Likely = nil, nil
			e.Note = "at most: of runs that name no partition column, where this query does"
			return e
		}
		return nil
	}
	sum := &Estimate{Basis: ByTable, Low: new(int64), Likely: new(int64), High: new(int64), Runs: math.MaxInt, Note: "added up of runs that read one of the tables alone"}
	for _, table := range h.plan.Reads {
		if len(alone[table]) < atLeast {
			return nil
		}
		e := ranged(ByTable, alone[table])
		*sum.Low, *sum.Likely, *sum.High = plus(*sum.Low, *e.Low), plus(*sum.Likely, *e.Likely), plus(*sum.High, *e.High)
		sum.Runs = min(sum.Runs, e.Runs)
		if sum.Since.IsZero() || e.Since.Before(sum.Since) {
			sum.Since = e.Since
		}
		if e.Last.After(sum.Last) {
			sum.Last = e.Last
		}
	}
	return sum
}

// sizes estimates by the tables' sizes: a query reads them once, as a rule.
func (h *History) sizes() *Estimate {
	if len(h.plan.Reads) == 0 {
		return nil
	}
	total := int64(0)
	for _, name := range h.plan.Reads {
		t := h.catalog[name]
		if t.Bytes == nil {
			return nil
		}
		total = plus(total, *t.Bytes)
	}
	return &Estimate{Basis: BySize, High: &total, Note: "at most: all bytes of its tables, read once, by the catalog"}
}

// ranged returns the range of the newest runs.
func ranged(basis Basis, runs []*Run) *Estimate {
	slices.SortFunc(runs, func(a, b *Run) int { return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(a.ID, b.ID)) })
	runs = runs[:min(len(runs), newest)]
	bytes := make([]int64, len(runs))
	for i, r := range runs {
		bytes[i] = *r.DataScannedBytes
	}
	slices.Sort(bytes)
	at := func(share float64) int64 {
		return bytes[max(0, min(len(bytes)-1, int(math.Ceil(share*float64(len(bytes))))-1))]
	}
	e := &Estimate{Basis: basis, Runs: len(runs), Since: runs[len(runs)-1].StartedAt, Last: runs[0].StartedAt}
	low, likely, high := at(lowShare), at(likelyShare), at(highShare)
	if len(runs) < enough {
		low, high = bytes[0]/few, times(bytes[len(bytes)-1], few)
	}
	e.Low, e.Likely, e.High = &low, &likely, &high
	return e
}

func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, n int64) int64 {
	if a > math.MaxInt64/n {
		return math.MaxInt64
	}
	return a * n
}
