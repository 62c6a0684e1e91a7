package demo

import (
	"fmt"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// What a [QueryFinding] is about.
const (
	FindingRepeatedQuery    = "repeated_query"     // the same SQL again while its result was fresh
	FindingSelectStar       = "select_star"        // SELECT * again and again
	FindingSmallScans       = "small_scans"        // many scans below the ten megabytes that each is charged
	FindingCancelledQueries = "cancelled_queries"  // what was scanned before somebody pressed cancel
	FindingRepeatedFailures = "repeated_failures"  // the same query failing all day
	FindingSharedAccess     = "shared_access"      // one key, many addresses
	FindingFirstAccess      = "first_access"       // somebody in a database where they never were
	FindingTextFormats      = "text_formats"       // a table of CSV or JSON, read often
	FindingOnDemandCapacity = "on_demand_capacity" // hours that cost more than reserved DPUs
	FindingReservedCapacity = "reserved_capacity"  // reserved DPUs that cost more than the bytes
)

// A QueryFinding is something about executions of SQL that should be noticed,
// or that looks like it and should not. Its executions have finding_NAME or
// no_finding_NAME among their cases. The company's daily work gives cause for
// more findings than these.
type QueryFinding struct {
	What              string   `json:"what"` // query_finding
	Finding           string   `json:"finding"`
	Fires             bool     `json:"fires"`
	AccountID         string   `json:"account_id"`
	Region            string   `json:"region_name"`
	Person            string   `json:"person"`
	QueryExecutionIDs []string `json:"query_execution_ids"` // in the order of their starts

	// SavingNano is what the change would have saved of these executions,
	// where that can be told.
	SavingNano *int64 `json:"saving_nano,omitempty"`
}

// QueryFindings returns what should be noticed about executions, and what
// should not.
func (c *Company) QueryFindings() []QueryFinding { return c.queryFindings }

// queryCases adds the executions that a finding is about, and those that only
// look like them.
func (c *Company) queryCases() {
	b := &builder{c: c, r: newRandom(c.seed, "query cases")}
	b.repeats()
	b.stars()
	b.smallScans()
	b.cancelled()
	b.failures()
	b.sharedKeys()
	b.firstAccess()
	b.textFiles()
	b.capacity()
}

// queryFinding starts what was asked and keeps it as a finding, or as what
// looks like one.
func (b *builder) queryFinding(name string, fires bool, asks ...ask) *QueryFinding {
	mark := "no_finding_" + name
	if fires {
		mark = "finding_" + name
	}
	f := QueryFinding{What: "query_finding", Finding: name, Fires: fires, AccountID: asks[0].who.account, Region: asks[0].region, Person: asks[0].who.person}
	for _, a := range asks {
		a.cases = append(slices.Clone(a.cases), mark)
		i := b.start(a)
		f.QueryExecutionIDs = append(f.QueryExecutionIDs, b.c.runs[i].truth.QueryExecutionID)
	}
	b.c.queryFindings = append(b.c.queryFindings, f)
	return &b.c.queryFindings[len(b.c.queryFindings)-1]
}

// every asks the same n times, so long apart.
func (b *builder) every(n int, apart time.Duration, a ask) []ask {
	asks := make([]ask, n)
	for i := range asks {
		asks[i] = a
		asks[i].at = a.at.Add(time.Duration(i) * apart)
	}
	return asks
}

func (b *builder) costs(ids []string) *int64 {
	var sum int64
	for i := range b.c.runs {
		if t := &b.c.runs[i].truth; slices.Contains(ids, t.QueryExecutionID) && t.CostNano != nil {
			sum += *t.CostNano
		}
	}
	return &sum
}

func selected(text string, bytes int64, reads ...string) statement {
	return statement{text: text, kind: "DML", sub: "SELECT", database: "sales", reads: reads, bytes: bytes}
}

// repeats: a page that asks again every nine minutes; one that asks too rarely
// for a result to be fresh; and one over tables of Lake Formation, whose results
// Athena never reuses.
func (b *builder) repeats() {
	board := selected("SELECT channel, sum(total_amount) AS revenue, count(*) AS orders\nFROM sales.orders\nWHERE order_date >= DATE '2026-10-01'\nGROUP BY channel -- the wall screen", 30*gb, "sales.orders")
	f := b.queryFinding(FindingRepeatedQuery, true, b.every(7, 9*time.Minute, b.console("milo", on(10, 27, 13, 0, 0), board))...)
	f.SavingNano = b.costs(f.QueryExecutionIDs[1:])

	slow := board
	slow.text += ", the slow one"
	b.queryFinding(FindingRepeatedQuery, false, b.every(7, 70*time.Minute, b.console("ines", on(10, 27, 12, 0, 0), slow))...)

	ledger := shapes["finance"][2].statement(b.r, on(10, 27, 14, 0, 0))
	ledger.bytes = 30 * gb
	b.queryFinding(FindingRepeatedQuery, false, b.every(6, 8*time.Minute, b.console("paul", on(10, 27, 14, 0, 0), ledger))...)
}

// stars: all columns of a table six times, and of others too rarely or of too
// little.
func (b *builder) stars() {
	star := func(name string, n int, at time.Time, table string, bytes int64) []ask {
		asks := b.every(n, 3*time.Hour, b.console(name, at, selected("SELECT *\nFROM "+table+"\nWHERE store = 'boston'", bytes, table)))
		for i := range asks {
			asks[i].stmt.text = fmt.Sprintf("%s AND register = %d", asks[i].stmt.text, i)
		}
		return asks
	}
	b.queryFinding(FindingSelectStar, true, star("rosa", 6, on(10, 20, 12, 0, 0), "sales.receipts", 3*gb)...)
	b.queryFinding(FindingSelectStar, false, star("rosa", 4, on(10, 21, 12, 0, 0), "sales.receipts_archive", 3*gb)...)
	b.queryFinding(FindingSelectStar, false, star("rosa", 8, on(10, 21, 12, 0, 0), "sales.registers", 300*mb)...)
}

// smallScans: a function that asks for one order at a time, on a busy day and
// on a quiet one.
func (b *builder) smallScans() {
	who := func(day time.Time) *caller {
		return bot(roleSession{account: Analytics, role: "lambda-freshness-check", session: "freshness-check", created: day, key: b.r.id("ASIA", 16),
			inScopeOf: "arn:aws:lambda:" + US + ":" + Analytics + ":function:freshness-check"}, "lambda")
	}
	lookups := func(n int, at time.Time, text string) []ask {
		asks := b.every(n, 4*time.Minute, ask{at: at, region: US, who: who(at.Add(-time.Minute)), team: "platform", tool: "lambda", toolDetail: "freshness-check",
			ip: "198.51.100.44", agent: agentLambda, group: "primary", polls: 1, read: true})
		for i := range asks {
			asks[i].stmt = selected(fmt.Sprintf(text, b.r.between(100_000, 999_999)), int64(b.r.between(300_000, 6_000_000)), "sales.orders")
		}
		return asks
	}
	b.queryFinding(FindingSmallScans, true, lookups(120, on(10, 23, 8, 0, 0), "SELECT order_id, country FROM sales.orders WHERE order_id = %d")...)
	b.queryFinding(FindingSmallScans, false, lookups(40, on(10, 24, 8, 0, 0), "SELECT order_id, total_amount FROM sales.orders WHERE order_id = %d")...)
}

// cancelled: two that had scanned much when they were cancelled, against one
// that had not.
func (b *builder) cancelled() {
	dear := selected("SELECT o.*, i.*\nFROM sales.orders o CROSS JOIN sales.order_items i", 900*gb, "sales.orders", "sales.order_items")
	a := b.console("jana", on(10, 22, 15, 0, 0), dear)
	a.cancel, a.wait = 90*time.Second, 10*time.Minute
	b.queryFinding(FindingCancelledQueries, true, b.every(2, 20*time.Minute, a)...)

	little := shapes["finance"][3].statement(b.r, on(10, 22, 11, 0, 0))
	who := b.auditor(on(10, 22, 10, 40, 0))
	b.queryFinding(FindingCancelledQueries, false, ask{at: on(10, 22, 11, 0, 0), region: EU, who: who, team: "audit", tool: "jdbc", toolDetail: jdbcClient,
		ip: "203.0.113.24", agent: agentJDBC, group: "audit", polls: 1, stmt: little, cancel: 100 * time.Millisecond, wait: time.Minute, cases: []string{"saml_chain"}})
}

// auditor is a session of uma's, from SAML as her others are.
func (b *builder) auditor(created time.Time) *caller {
	who := roleSession{account: Finance, role: "ExternalAuditor", session: fmt.Sprint(1_000_000 + created.Unix()%1_000_000),
		key: b.r.id("ASIA", 16), created: created}.caller("uma@example.com", human, roleChain, "uma@example.com")
	b.saml(who, "uma@example.com", created, "203.0.113.24")
	return who
}

// failures: a query that fails six times in a day, and one that does so thrice.
func (b *builder) failures() {
	broken := &athenaapitest.AthenaError{Category: 2, Type: 233, Message: "HIVE_BAD_DATA: Field visitor_id's type INT64 in parquet file s3://example-store-lake/web/returns/dt=2026-10-19/part-0.parquet is incompatible with type varchar"}
	fails := func(name string, n int, at time.Time, text string) []ask {
		a := b.console(name, at, statement{text: text, kind: "DML", sub: "SELECT", database: "web", reads: []string{"web.returns"}, bytes: 4 * gb})
		a.fail = broken
		return b.every(n, 11*time.Minute, a)
	}
	b.queryFinding(FindingRepeatedFailures, true, fails("otto", 6, on(10, 20, 14, 0, 0), "SELECT visitor_id, count(*) FROM web.returns GROUP BY visitor_id")...)
	b.queryFinding(FindingRepeatedFailures, false, fails("otto", 3, on(10, 20, 18, 0, 0), "SELECT reason, count(*) FROM web.returns GROUP BY reason")...)
}

// handedOn asks with one key from several addresses.
func (b *builder) handedOn(who *caller, like ask, at time.Time, ips ...string) []ask {
	var asks []ask
	for i, ip := range ips {
		a := like
		a.who, a.ip, a.at, a.polls = who, ip, at.Add(time.Duration(i)*35*time.Minute), 1
		a.stmt = pick(b.r, shapes["web"]).statement(b.r, a.at)
		if who.account == Finance {
			a.stmt = pick(b.r, shapes["finance"]).statement(b.r, a.at)
		}
		asks = append(asks, a)
	}
	return asks
}

// sharedKeys: four addresses in a day, against two.
func (b *builder) sharedKeys() {
	wanda := user(Analytics, "wanda", "AKIADEMOWANDAEXAMPLE", "wanda", human, iamUser)
	b.queryFinding(FindingSharedAccess, true, b.handedOn(wanda, ask{region: EU, team: "platform", tool: "pyathena", agent: agentPyAthena, group: "platform"},
		on(10, 19, 9, 0, 0), "203.0.113.71", "203.0.113.72", "192.0.2.73", "192.0.2.74")...)
	tomas := user(Finance, "tomas", "AKIADEMOTOMASEXAMPLE", "tomas", human, iamUser)
	b.queryFinding(FindingSharedAccess, false, b.handedOn(tomas, ask{region: US, team: "finance", tool: "aws-cli", agent: agentCLI, group: "primary"},
		on(10, 19, 15, 0, 0), "203.0.113.20", "203.0.113.75")...)
}

// firstAccess: lena in the salaries, which olga has read for weeks; olga again;
// and two in a database that is new.
func (b *builder) firstAccess() {
	in := func(name string, at time.Time, database, table string) ask {
		return b.console(name, at, statement{text: "SELECT count(*) AS n, max(updated_at) AS newest FROM " + database + "." + table, kind: "DML", sub: "SELECT",
			database: database, reads: []string{database + "." + table}, bytes: 120 * mb})
	}
	b.queryFinding(FindingFirstAccess, false, in("olga", on(10, 2, 9, 0, 0), "hr", "salaries"), in("olga", on(10, 27, 9, 0, 0), "hr", "salaries"))
	b.queryFinding(FindingFirstAccess, true, in("lena", on(10, 28, 10, 0, 0), "hr", "salaries"))
	b.queryFinding(FindingFirstAccess, false, in("vera", on(10, 20, 9, 0, 0), "trial", "offers"), in("emil", on(10, 26, 9, 0, 0), "trial", "offers"))
}
