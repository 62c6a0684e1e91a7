package demo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// BenchLakeOptions say how large a lake WriteBenchLake makes. Zero values mean
// 100,000 executions of 365 days.
type BenchLakeOptions struct {
	Executions int // about so many
	Days       int
	Texts      int // different SQL texts; zero is 300,000, and at most one for three executions
	Seed       uint64

	// DerivedWith is what the tables' files say that they were derived with.
	DerivedWith string
}

// BenchLakeCounts is what a lake made by WriteBenchLake holds.
type BenchLakeCounts struct {
	First, Last athenatrail.Date // days, both with rows
	Executions  int64
	Usage       int64 // rows of usage_rollup
	Tables      int64 // rows of table_rollup
	Texts       int64 // rows of query_texts: a text has one on each day
}

// BenchLakeFirst is the first day of the lakes for benchmarks, a Monday.
var BenchLakeFirst = athenatrail.DateOf(time.Date(2025, 11, 3, 0, 0, 0, 0, time.UTC))

// What a company of a lake for benchmarks has.
const (
	benchPeople    = 400
	benchServices  = 60
	benchDatabases = 40
	benchTables    = 15 // of each database
)

// WriteBenchLake writes tables and texts of a large company straight into an
// empty lake, for benchmarks: no facts but the texts, and no activity but the
// calls that were refused. The same options give the same rows.
//
// A few dashboards and jobs run most of the statements, around the clock and
// with the same SQL; people work in some quarter hours of working days, and
// much of their SQL is new.
func WriteBenchLake(ctx context.Context, l *lake.Lake, o BenchLakeOptions) (BenchLakeCounts, error) {
	if o.Executions <= 0 {
		o.Executions = 100_000
	}
	if o.Days <= 0 {
		o.Days = 365
	}
	if o.Texts <= 0 {
		o.Texts = 300_000
	}
	o.Texts = min(o.Texts, o.Executions/3+1)
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		return BenchLakeCounts{}, fmt.Errorf("write a lake for benchmarks: %w", err)
	}
	c := newBenchCompany(o, prices)
	counts := BenchLakeCounts{First: BenchLakeFirst, Last: BenchLakeFirst + athenatrail.Date(o.Days-1)}
	days := make([]BenchLakeCounts, o.Days)
	var group errgroup.Group
	group.SetLimit(2) // a day's rows take some hundred bytes each
	for n := range o.Days {
		group.Go(func() (err error) {
			days[n], err = c.writeDay(ctx, l, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return BenchLakeCounts{}, fmt.Errorf("write a lake for benchmarks: %w", err)
	}
	for _, d := range days {
		counts.Executions += d.Executions
		counts.Usage += d.Usage
		counts.Tables += d.Tables
		counts.Texts += d.Texts
	}
	err = ledger.New(l).SetSource(ctx, ledger.Source{Name: "benchmark", NewestDelivered: (counts.Last + 1).Time().Add(15 * time.Minute), UpdatedBy: "benchmark"})
	if err != nil {
		return BenchLakeCounts{}, fmt.Errorf("write a lake for benchmarks: %w", err)
	}
	return counts, nil
}

// A benchPlace is an account and region.
type benchPlace struct{ account, region string }

// benchPlaces are where statements run, those first where most do.
var benchPlaces = []benchPlace{{Analytics, US}, {Analytics, EU}, {Finance, US}, {Finance, EU}, {"123456789012", US}}

// A benchActor is a person or a service.
type benchActor struct {
	who     athenatrail.Who
	where   athenatrail.Where
	place   benchPlace
	groups  string // work group
	work    []int  // databases
	service bool
	job     string // of a service: what its detail says before a number
	texts   []int  // standing texts
}

// A benchText is one SQL text, with what its executions share.
type benchText struct {
	actor           int
	sql, hash, mark string // mark is the fingerprint
	database        string
	tables, written []string
	substatement    string
	detail          string
	scans           float64 // median bytes
	probe           bool
}

type benchCompany struct {
	o        BenchLakeOptions
	prices   *price.Table
	actors   []benchActor
	standing []benchText
	chosen   []float64 // how often each standing text runs, summed up to it
	people   []float64 // the same of people
	weights  []float64 // of days, in parts of all
}

// sumsOf returns the sums of weights up to each, in parts of all.
func sumsOf(n int, weight func(int) float64) []float64 {
	sums, total := make([]float64, n), 0.0
	for i := range sums {
		total += weight(i)
		sums[i] = total
	}
	for i := range sums {
		sums[i] /= total
	}
	return sums
}

func drawn(r random, sums []float64) int {
	i, _ := slices.BinarySearch(sums, r.Float64())
	return min(i, len(sums)-1)
}

func newBenchCompany(o BenchLakeOptions, prices *price.Table) *benchCompany {
	r := newRandom(o.Seed, "lake company")
	c := &benchCompany{o: o, prices: prices}
	teams := []string{"growth", "finance", "risk", "supply", "search", "ads", "platform", "support", "people", "science", "mobile", athenatrail.TeamUnassigned}
	services := []string{"dbt", "airflow", "quicksight", "metabase", "tableau", "redash"}
	for i := range benchServices + benchPeople {
		a := benchActor{place: benchPlaces[min(r.poisson(0.9), len(benchPlaces)-1)], service: i < benchServices}
		for range 1 + r.IntN(4) {
			a.work = append(a.work, min(benchDatabases-1, int(r.lognormal(6, 0.9))))
		}
		team := teams[min(r.poisson(3), len(teams)-1)]
		if a.service {
			tool := services[i%len(services)]
			name := fmt.Sprintf("%s-%s-%02d", tool, team, i)
			arn := "arn:aws:sts::" + a.place.account + ":assumed-role/" + name + "/session"
			a.who = athenatrail.Who{Person: name, PersonSource: athenatrail.SourceRole, PersonKind: athenatrail.PersonService, Team: team,
				PrincipalType: "AssumedRole", PrincipalARN: arn, PrincipalID: "AROAEXAMPLE" + strings.ToUpper(r.hex(10)) + ":session", RoleName: name, RoleSessionName: "session"}
			a.where = athenatrail.Where{Tool: tool, SourceIP: fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)), UserAgent: "Boto3/1.35.0 " + tool}
			a.groups, a.job = tool, tool+"."+team
		} else {
			name := fmt.Sprintf("person%03d@example.com", i-benchServices)
			role := "AWSReservedSSO_" + team + "_" + "0123456789abcdef"
			a.who = athenatrail.Who{Person: name, PersonSource: athenatrail.SourceSSOSession, PersonTrust: athenatrail.TrustVouched, PersonKind: athenatrail.PersonHuman, Team: team,
				PrincipalType: "AssumedRole", PrincipalARN: "arn:aws:sts::" + a.place.account + ":assumed-role/" + role + "/" + name, PrincipalID: "AROAEXAMPLE" + strings.ToUpper(r.hex(10)) + ":" + name,
				RoleName: role, RoleSessionName: name}
			a.where = athenatrail.Where{Tool: "console", Console: true, SourceIP: fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)), UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"}
			if r.chance(0.4) {
				a.where.Tool, a.where.Console, a.where.UserAgent = "dbeaver", false, "DBeaver 24.1 jdbc"
			}
			a.groups = "analysts-" + team
		}
		c.actors = append(c.actors, a)
	}
	for n := range max(benchServices+benchPeople, min(3000, o.Texts/10)) {
		actor := n % benchServices
		if n%3 == 2 {
			actor = benchServices + n/3%benchPeople
		}
		c.standing = append(c.standing, c.text(r, actor, fmt.Sprintf("/* standing %d */", n)))
		c.actors[actor].texts = append(c.actors[actor].texts, n)
	}
	c.chosen = sumsOf(len(c.standing), func(n int) float64 {
		if !c.actors[c.standing[n].actor].service {
			return 0
		}
		return 1 / math.Pow(float64(n+5), 0.8)
	})
	c.people = sumsOf(benchPeople, func(n int) float64 { return 1 / math.Pow(float64(n+10), 0.7) })
	for n := range o.Days {
		weight := 1 + float64(n)/float64(o.Days)/2 // it grows
		if n%7 > 4 {
			weight *= 0.4
		}
		c.weights = append(c.weights, weight)
	}
	total := 0.0
	for _, w := range c.weights {
		total += w
	}
	for n := range c.weights {
		c.weights[n] /= total
	}
	return c
}

var benchWords = []string{"order", "customer", "amount", "country", "channel", "device", "campaign", "session", "revenue", "margin", "stock", "price", "visit", "click", "return", "segment"}

// text makes one SQL text of an actor.
func (c *benchCompany) text(r random, actor int, mark string) benchText {
	a := &c.actors[actor]
	database := pick(r, a.work)
	t := benchText{actor: actor, database: fmt.Sprintf("db_%02d", database), substatement: "SELECT", scans: r.lognormal(40e6, 2.2)}
	if a.service {
		t.detail = fmt.Sprintf("%s.%03d", a.job, r.IntN(200))
	}
	if a.where.Tool == "metabase" && r.chance(0.3) {
		t.sql, t.probe, t.scans = "SELECT 1 "+mark, true, 0
	} else {
		var b strings.Builder
		b.WriteString(mark + " SELECT ")
		for range 3 + r.IntN(8) {
			fmt.Fprintf(&b, "%s_%s, ", pick(r, benchWords), pick(r, benchWords))
		}
		b.WriteString("count(*) AS n")
		for n := range 1 + min(2, r.poisson(0.5)) {
			table := int(r.lognormal(3, 0.8)) % benchTables
			join := "\nFROM "
			if n > 0 {
				join = "\nJOIN "
			}
			fmt.Fprintf(&b, "%s%s.t_%02d AS t%d", join, t.database, table, n)
			t.tables = append(t.tables, fmt.Sprintf("awsdatacatalog.%s.t_%02d", t.database, table))
		}
		fmt.Fprintf(&b, "\nWHERE dt >= DATE '2026-%02d-%02d' AND %s_%s = '%s'\nGROUP BY 1, 2, 3", 1+r.IntN(12), 1+r.IntN(28), pick(r, benchWords), pick(r, benchWords), r.hex(12))
		t.sql = b.String()
		if a.where.Tool == "dbt" && r.chance(0.5) {
			made := fmt.Sprintf("awsdatacatalog.%s.made_%02d", t.database, r.IntN(30))
			t.sql = "CREATE TABLE " + strings.TrimPrefix(made, "awsdatacatalog.") + " AS\n" + t.sql
			t.tables, t.written, t.substatement = append(t.tables, made), []string{made}, "CREATE_TABLE_AS_SELECT"
		}
		slices.Sort(t.tables)
		t.tables = slices.Compact(t.tables)
	}
	t.hash, t.mark = athenatrail.HashText(t.sql), sqlref.Fingerprint(t.sql)
	return t
}

// A benchRow is an execution with the text that it ran.
type benchRow struct {
	row  athenatrail.QueryExecution
	text *benchText
}

func (c *benchCompany) writeDay(ctx context.Context, l *lake.Lake, n int) (counts BenchLakeCounts, err error) {
	r := newRandom(c.o.Seed, fmt.Sprint("lake day ", n))
	day := BenchLakeFirst + athenatrail.Date(n)
	// Each person works in a few quarter hours of the day.
	busy := make([][]int, benchPeople)
	for i := range busy {
		for range 2 + r.IntN(5) {
			busy[i] = append(busy[i], min(95, max(0, int(52+r.NormFloat64()*12))))
		}
	}
	fresh := make([][]benchText, benchPeople)
	for i := range int(c.weights[n] * float64(c.o.Texts-len(c.standing))) {
		person := drawn(r, c.people)
		fresh[person] = append(fresh[person], c.text(r, benchServices+person, fmt.Sprintf("/* %s %d */", day, i)))
	}
	places := map[benchPlace][]benchRow{}
	for range int(math.Round(c.weights[n] * float64(c.o.Executions))) {
		var text *benchText
		var at time.Time
		if r.chance(0.65) {
			text = &c.standing[drawn(r, c.chosen)]
			at = day.Time().Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
		} else {
			person := drawn(r, c.people)
			actor := &c.actors[benchServices+person]
			if len(fresh[person]) > 0 && (len(actor.texts) == 0 || r.chance(0.6)) {
				text = &fresh[person][r.IntN(len(fresh[person]))]
			} else if len(actor.texts) > 0 {
				text = &c.standing[pick(r, actor.texts)]
			} else {
				text = &c.standing[drawn(r, c.chosen)]
			}
			at = day.Time().Add(time.Duration(pick(r, busy[person]))*athenatrail.SlotLength + time.Duration(r.Int64N(int64(athenatrail.SlotLength))))
		}
		place := c.actors[text.actor].place
		places[place] = append(places[place], benchRow{c.row(r, text, day, at.Truncate(time.Millisecond)), text})
	}
	for _, place := range benchPlaces {
		if err := c.writePlace(ctx, l, athenatrail.NewPartition(day.Time(), place.account, place.region), places[place], &counts); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// row makes one execution of a text.
func (c *benchCompany) row(r random, t *benchText, day athenatrail.Date, at time.Time) athenatrail.QueryExecution {
	a := &c.actors[t.actor]
	e := athenatrail.QueryExecution{
		QueryExecutionID: r.uuid(), EventID: r.uuid(), AccountID: a.place.account, RegionName: a.place.region, Hour: int32(at.Hour()),
		Who: a.who, Where: a.where, WorkGroupName: a.groups, CatalogName: "awsdatacatalog", DatabaseName: t.database,
		StatementType: "DML", SubstatementType: t.substatement, TextHash: t.hash, TextDt: day.String(), QueryFingerprint: t.mark,
		TablesAccessed: t.tables, TablesWritten: t.written, Probe: t.probe, SubmissionDateTime: at, EngineVersion: "Athena engine version 3",
	}
	if t.tables != nil {
		e.DatabasesAccessed, e.TablesSource = []string{"awsdatacatalog." + t.database}, "sql"
	}
	e.ToolDetail, e.AccessKeyHash = t.detail, athenatrail.HashAccessKey(a.who.PrincipalID+day.String())
	x := r.Float64()
	switch {
	case x < 0.007: // refused
		e.QueryExecutionID, e.Gap, e.ErrorCode, e.ErrorMessage = "", athenatrail.GapNotStarted, "AccessDeniedException", "not authorized to perform: athena:StartQueryExecution"
		e.TextHash, e.TextDt, e.QueryFingerprint, e.TablesAccessed, e.TablesWritten, e.DatabasesAccessed, e.TablesSource = "", "", "", nil, nil, nil, ""
		e.StatementType, e.SubstatementType, e.EngineVersion, e.CatalogName = "", "", "", ""
		return e
	case x < 0.010: // Athena has forgotten it
		e.Gap, e.StatementType, e.SubstatementType, e.EngineVersion = athenatrail.GapExpired, "", "", ""
		return e
	case x < 0.030:
		e.State, e.StateChangeReason = "CANCELLED", "Query cancelled by user"
	case x < 0.070:
		two, kind := int32(2), int32(1306)
		e.State, e.ErrorCategory, e.ErrorType, e.ErrorMessage = "FAILED", &two, &kind, "COLUMN_NOT_FOUND: line 1:8: Column cannot be resolved"
	default:
		e.State = "SUCCEEDED"
	}
	reused := a.service && e.State == "SUCCEEDED" && r.chance(0.06)
	scanned := int64(0)
	if !reused && e.State != "FAILED" {
		scanned = int64(r.lognormal(1, 0.3) * t.scans)
	}
	queue, service := int64(r.lognormal(120, 0.8)), int64(r.lognormal(60, 0.5))
	engine := int64(r.lognormal(900, 0.9)) + scanned/4_000_000
	planning, total := engine/5, queue+engine+service
	e.DataScannedBytes, e.QueueMillis, e.EngineMillis, e.ServiceMillis, e.PlanningMillis, e.TotalMillis, e.ReusedResult = &scanned, &queue, &engine, &service, &planning, &total, &reused
	e.CompletionDateTime = at.Add(time.Duration(total) * time.Millisecond)
	cost := c.prices.Statement(price.Execution{Region: e.RegionName, Day: day, State: e.State, StatementType: e.StatementType, SubstatementType: e.SubstatementType, ScannedBytes: &scanned, Reused: &reused})
	e.BilledBytes, e.Cost, e.Currency, e.CostBasis = cost.BilledBytes, cost.Amount, cost.Currency, cost.Basis
	return e
}

// writePlace writes what one account and region has of a day.
func (c *benchCompany) writePlace(ctx context.Context, l *lake.Lake, p athenatrail.Partition, list []benchRow, counts *BenchLakeCounts) error {
	rows := make([]athenatrail.QueryExecution, 0, len(list))
	var refused []athenatrail.Activity
	texts := map[string]athenatrail.QueryText{}
	for i := range list {
		e, t := &list[i].row, list[i].text
		rows = append(rows, *e)
		if e.Gap == athenatrail.GapNotStarted {
			refused = append(refused, athenatrail.Activity{
				EventID: e.EventID, EventTime: e.SubmissionDateTime.Truncate(time.Second), EventName: "StartQueryExecution", AccountID: e.AccountID, RegionName: e.RegionName,
				Who: e.Who, Where: e.Where, ErrorCode: e.ErrorCode, ErrorMessage: e.ErrorMessage, WorkGroupName: e.WorkGroupName,
			})
			continue
		}
		texts[t.hash] = athenatrail.QueryText{Home: p, TextHash: t.hash, QueryString: t.sql}
	}
	var sqls []athenatrail.QueryText
	for _, t := range texts {
		sqls = append(sqls, t)
	}
	if _, err := lake.Merge(ctx, l, lake.QueryTexts, p, sqls); err != nil {
		return err
	}
	usage := derive.RollUp(rows)
	if _, err := lake.WriteTable(ctx, l, lake.QueryExecutions, p, lake.QueryExecutions.Sorted(rows), c.o.DerivedWith); err != nil {
		return err
	}
	if _, err := lake.WriteTable(ctx, l, lake.Activity, p, lake.Activity.Sorted(refused), c.o.DerivedWith); err != nil {
		return err
	}
	if _, err := lake.WriteTable(ctx, l, lake.UsageRollup, p, lake.UsageRollup.Sorted(usage.Rollup), c.o.DerivedWith); err != nil {
		return err
	}
	if _, err := lake.WriteTable(ctx, l, lake.TableRollup, p, lake.TableRollup.Sorted(usage.Tables), c.o.DerivedWith); err != nil {
		return err
	}
	counts.Executions += int64(len(rows))
	counts.Usage += int64(len(usage.Rollup))
	counts.Tables += int64(len(usage.Tables))
	counts.Texts += int64(len(sqls))
	return nil
}
