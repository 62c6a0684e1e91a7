package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/bill"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// What --show takes with --bill.
const (
	showDays     = "days"
	showCapacity = "capacity"
)

func (a *app) verifyBill(ctx context.Context, e *setup.Env, o verifyOptions) error {
	if o.show != showDays && o.show != showCapacity {
		return usage("--show %q: of --bill, want days or capacity", o.show)
	}
	if o.from != "" || o.to != "" {
		return usage("--from and --to: a bill is compared over the days that it covers")
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	var b *bill.Bill
	var exported time.Time
	for _, name := range o.bill {
		var changed time.Time
		if b, changed, err = readBill(b, name); err != nil {
			return &exitError{exitUsage, fmt.Errorf("read the bill %s: %w", name, err)}
		}
		if changed.After(exported) {
			exported = changed
		}
	}
	if b.Athena == 0 {
		return usage("read the bill %s: none of its %s is of Athena", strings.Join(o.bill, ", "), count(b.Lines, "line"))
	}
	used, err := usedIn(ctx, l, b.From, b.To, e.ZeroByteDML)
	if err != nil {
		return awsconn.Explained(err)
	}
	c, err := bill.Compare(b, used)
	if err != nil {
		return err
	}
	completeTo, _, err := ledger.New(l).CompleteTo(ctx)
	if err != nil {
		return err
	}
	explained := a.sayBill(b, c, e, completeTo)
	result := &format.Result{View: "verify bill", From: b.From.Time(), To: b.To.Time()}
	if o.show == showCapacity {
		capacityOf(b, c, result)
	} else {
		billDaysOf(b, c, result)
	}
	if err := a.write(result); err != nil {
		return err
	}
	if o.keep {
		if err := a.keepBill(ctx, l, b, exported); err != nil {
			return awsconn.Explained(fmt.Errorf("keep the bill: %w", err))
		}
	}
	switch {
	case o.least >= 0 && explained < o.least:
		return &exitError{exitUnverified, fmt.Errorf("%s of the cost is explained, and %s are required", percent(explained), percent(o.least))}
	case b.Wrong > 0:
		return &exitError{exitIncomplete, fmt.Errorf("done, but %s of Athena in the bill could not be read", count(b.Wrong, "line"))}
	}
	return nil
}

// readBill adds a file to a bill, and returns when the file was last changed.
func readBill(b *bill.Bill, name string) (*bill.Bill, time.Time, error) {
	file, err := os.Open(name)
	if err != nil {
		return b, time.Time{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return b, time.Time{}, err
	}
	if info.IsDir() {
		return b, time.Time{}, errors.New("it is a folder: name its files, each with a --bill of its own")
	}
	b, err = bill.Read(b, file, info.Size())
	return b, info.ModTime().Truncate(time.Millisecond), err
}

// keepBill keeps in the lake what was billed. What an earlier export of the
// same accounts and days had and this one has not is kept as zero, so that no
// part of it stays.
func (a *app) keepBill(ctx context.Context, l *lake.Lake, b *bill.Bill, exported time.Time) error {
	lines, err := b.Kept(exported)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		a.note("nothing is kept: the bill covers no whole day with Athena in it")
		return nil
	}
	type id struct{ kind, lineType string }
	news := map[athenatrail.Partition]map[id]athenatrail.BillLine{}
	accounts, through := map[string]bool{}, map[athenatrail.Date]time.Time{}
	for _, x := range lines {
		if news[x.Home] == nil {
			news[x.Home] = map[id]athenatrail.BillLine{}
		}
		news[x.Home][id{x.Kind, x.LineType}] = x
		accounts[x.Home.Account], through[x.Home.Date] = true, x.Through
	}
	days := func(d athenatrail.Date) bool { return !through[d].IsZero() }
	for part, err := range lake.Partitions(ctx, l, lake.BillLines, b.From, b.CoveredTo()) {
		if err != nil {
			return err
		}
		if !accounts[part.Account] || !days(part.Date) {
			continue
		}
		for x, err := range lake.Read(ctx, l, lake.BillLines, part.Partition) {
			if err != nil {
				return err
			}
			if news[part.Partition] == nil {
				news[part.Partition] = map[id]athenatrail.BillLine{}
			}
			if _, ok := news[part.Partition][id{x.Kind, x.LineType}]; !ok {
				x.Home, x.Quantity, x.Cost, x.Currency, x.Exported, x.Through = part.Partition, 0, 0, b.Currency, exported.UTC(), through[part.Date]
				news[part.Partition][id{x.Kind, x.LineType}] = *x
			}
		}
	}
	changed := 0
	for _, p := range slices.SortedFunc(maps.Keys(news), athenatrail.Partition.Compare) {
		n, err := lake.Merge(ctx, l, lake.BillLines, p, slices.Collect(maps.Values(news[p])))
		if err != nil {
			return err
		}
		changed += n
	}
	last := lines[len(lines)-1].Home.Date
	switch {
	case changed == 0:
		a.note("the lake has this bill already, or one that goes further: nothing was changed")
	default:
		a.note("kept: what was billed from %s to %s", lines[0].Home.Date, last)
	}
	return nil
}

// A billedRow is what of an execution the cost depends on.
type billedRow struct {
	RegionName       string    `parquet:"region_name"`
	AccountID        string    `parquet:"account_id"`
	Person           string    `parquet:"person"`
	State            string    `parquet:"state,optional"`
	StatementType    string    `parquet:"statement_type,optional"`
	SubstatementType string    `parquet:"substatement_type,optional"`
	Submitted        time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
	Completed        time.Time `parquet:"completion_date_time,optional,timestamp(millisecond:local)"`
	Scanned          *int64    `parquet:"data_scanned_bytes,optional"`
	Reused           *bool     `parquet:"reused_result,optional"`
	DPUCount         *float64  `parquet:"dpu_count,optional"`
	EngineMillis     *int64    `parquet:"engine_ms,optional"`
	Gap              string    `parquet:"gap,optional"`
}

type billedSession struct {
	RegionName string    `parquet:"region_name"`
	AccountID  string    `parquet:"account_id"`
	Ended      time.Time `parquet:"ended_at,optional,timestamp(millisecond:local)"`
	DPUMillis  *int64    `parquet:"dpu_ms,optional"`
}

// usedIn adds up what the lake knows of the days of a bill. AWS bills when a
// statement or session ends, which may be on a later day than that of its start.
func usedIn(ctx context.Context, l *lake.Lake, from, to athenatrail.Date, zeroByteDML string) (*bill.Lake, error) {
	used, err := bill.NewLake(zeroByteDML)
	if err != nil {
		return nil, err
	}
	for file, err := range lake.Partitions(ctx, l, lake.QueryExecutions, from-1, to) {
		if err != nil {
			return nil, err
		}
		for row, err := range lake.ReadAs[billedRow](ctx, l, lake.QueryExecutions, file.Partition) {
			if err != nil {
				return nil, err
			}
			if row.Gap == athenatrail.GapNotStarted {
				continue
			}
			ended := row.Completed
			if ended.IsZero() {
				ended = row.Submitted
			}
			used.Statement(athenatrail.DateOf(ended), row.AccountID, row.Person, price.Execution{
				Region: row.RegionName, Day: file.Date, State: row.State, StatementType: row.StatementType,
				SubstatementType: row.SubstatementType, ScannedBytes: row.Scanned, Reused: row.Reused, DPUCount: row.DPUCount,
			}, row.EngineMillis)
		}
	}
	for file, err := range lake.Partitions(ctx, l, lake.Sessions, from-1, to) {
		if err != nil {
			return nil, err
		}
		for row, err := range lake.ReadAs[billedSession](ctx, l, lake.Sessions, file.Partition) {
			if err != nil {
				return nil, err
			}
			day := file.Date
			if !row.Ended.IsZero() {
				day = athenatrail.DateOf(row.Ended)
			}
			used.Session(day, row.AccountID, row.RegionName, row.DPUMillis)
		}
	}
	return used, nil
}

// amount writes money in sentences.
func amount(v bill.Fixed, currency string) string {
	return strings.TrimSpace(fmt.Sprintf("%.2f %s", v.Float(), currency))
}

// sayBill says in sentences what a comparison found, and returns how much of
// the cost is explained, in percent.
func (a *app) sayBill(b *bill.Bill, c *bill.Comparison, e *setup.Env, completeTo time.Time) float64 {
	cost, unexplained, idle := c.Sums()
	explained := 100.0
	if cost > 0 {
		explained = 100 * (1 - unexplained.Float()/cost.Float())
	}
	a.note("Athena is billed %s: %s of usage, of which %s (%s) are not explained by the lake, and %s of tax, credits and the like",
		amount(c.Total, b.Currency), amount(cost, b.Currency), amount(unexplained, b.Currency), percent(100-explained), amount(c.Total-cost, b.Currency))
	if idle > 0 {
		a.note("%s were paid for reserved capacity that was idle: see --show capacity", amount(idle, b.Currency))
	}
	if n := c.Beyond(); n > 0 {
		a.note("on %s the lake knows of more than was billed: is the bill of all accounts and of whole days?", count(int64(n), "day of an account and region", "days of an account and region"))
	}
	own := cmp.Or(e.PriceUnits, bill.Binary)
	switch c.Units {
	case "":
		a.note("the bill and the lake agree in no system of units: whether AWS's terabyte is binary or decimal cannot be told from it")
	default:
		other := map[string]string{bill.Binary: "2^40", bill.Decimal: "10^12"}[c.Units]
		a.note("a terabyte of the bill has %s bytes, as near as can be told from %s of it: price_units %s (%s) fits", thousands(int64(c.Implied+0.5)), percent(max(c.FitBinary, c.FitDec)), c.Units, other)
		if c.Units != own {
			a.say("warning", hint(fmt.Errorf("price_units is %s, and the bill says %s: costs in the tables are off by a tenth", own, c.Units),
				"set price_units: %s in athenatrail.yaml, then athenatrail lake rebuild", c.Units))
		}
	}
	if b.Monthly {
		a.note("the bill has lines of more than a day: it can be compared as a whole only; export it by the day or the hour")
	}
	if !completeTo.IsZero() && completeTo.Before(b.To.Time()) {
		a.say("warning", fmt.Errorf("the lake is complete to %s only, and the bill goes to %s: what came after is not explained", completeTo.Format(time.RFC3339), b.To))
	}
	if len(b.Types) > 0 {
		a.say("warning", fmt.Errorf("usage types of Athena that are not known, and not compared: %s", strings.Join(slices.Sorted(maps.Keys(b.Types)), ", ")))
	}
	for _, p := range b.Problems {
		a.say("warning", fmt.Errorf("read the bill: %s", p))
	}
	return explained
}

func fixed(v bill.Fixed) json.Number { return json.Number(v.String()) }

// billDaysOf has a row for each day, account, region and kind of usage, and one
// for each other charge: the costs add up to the invoice.
func billDaysOf(b *bill.Bill, c *bill.Comparison, result *format.Result) {
	result.Columns = []format.Column{
		{Name: "date", Kind: format.Date, Help: "of usage, in UTC; NULL for charges beside it"},
		{Name: "account_id", Title: "account", Kind: format.Text}, {Name: "region_name", Title: "region", Kind: format.Text},
		{Name: "charge", Kind: format.Text, Help: "sql, spark, capacity, other; or what is charged or given back beside usage"},
		{Name: "unit", Kind: format.Text},
		{Name: "billed", Kind: format.Number, Help: "quantity on the bill"},
		{Name: "explained", Kind: format.Number, Help: "quantity that the lake knows of"},
		{Name: "unexplained", Kind: format.Number, Help: "the difference; of capacity what was idle"},
		{Name: "difference", Kind: format.Percent, Help: "unexplained, of billed"},
		{Name: "cost", Kind: format.Money, Help: "on the bill"},
		{Name: "unexplained_cost", Title: "unexplained cost", Kind: format.Money},
		{Name: "unknown", Kind: format.Count, Help: "executions and sessions of the lake whose bytes or time are not known"},
		{Name: format.Currency, Kind: format.Text},
	}
	var rows [][]any
	for _, r := range c.Rows {
		var difference any
		if v, ok := r.Difference(); ok {
			difference = v
		}
		rows = append(rows, []any{
			r.Date.Time(), r.Account, r.Region, r.Kind, orNone(bill.Unit(r.Kind)), fixed(r.Billed), fixed(r.Explained), fixed(r.Unexplained),
			difference, fixed(r.Cost), fixed(r.Unpaid), r.Unknown, b.Currency,
		})
	}
	for _, adjustment := range c.Adjustments {
		rows = append(rows, []any{nil, nil, nil, strings.ToLower(adjustment.Type), nil, nil, nil, nil, nil, fixed(adjustment.Cost), nil, nil, b.Currency})
	}
	result.Rows = format.RowsOf(rows)
}

// capacityOf has what each person used of reserved capacity, and what was idle.
func capacityOf(b *bill.Bill, c *bill.Comparison, result *format.Result) {
	result.Columns = []format.Column{
		{Name: "account_id", Title: "account", Kind: format.Text}, {Name: "region_name", Title: "region", Kind: format.Text},
		{Name: "person", Kind: format.Text, Help: "NULL: nobody"}, {Name: "use", Kind: format.Text, Help: "used or idle"},
		{Name: "dpu_hours", Title: "DPU-hours", Kind: format.Number}, {Name: "cost", Kind: format.Money}, {Name: format.Currency, Kind: format.Text},
	}
	var rows [][]any
	for _, s := range c.Shares {
		use := "used"
		if s.Person == "" {
			use = "idle"
		}
		rows = append(rows, []any{s.Account, s.Region, orNone(s.Person), use, fixed(s.DPUHours), fixed(s.Cost), b.Currency})
	}
	result.Rows = format.RowsOf(rows)
}
