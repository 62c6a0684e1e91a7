package demo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Kinds of an [Anomaly].
const (
	AnomalyOddHour     = "odd_hour"     // a person at an hour at which they never work
	AnomalyDoubling    = "doubling"     // a person who does twice as much for a week, or more
	AnomalyHugeQuery   = "huge_query"   // one query among a day's others
	AnomalyAmok        = "amok"         // a service that asks again and again
	AnomalyTeam        = "team"         // everybody in a team a bit more on one day
	AnomalyTable       = "table"        // a table that many read at once
	AnomalyNewPerson   = "new_person"   // somebody who is new, and dear at once
	AnomalyNewDatabase = "new_database" // likewise
	AnomalyStory       = "story"        // what happens in the company without Options.Anomalies
)

// Anomalies is how many anomalies [Options.Anomalies] adds.
const Anomalies = 30

// An Anomaly is a time in which somebody or something cost far more than it
// usually does.
type Anomaly struct {
	What    string    `json:"what"` // anomaly
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"` // person, role, team, table or database
	Name    string    `json:"name"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`

	QueryExecutionIDs []string `json:"query_execution_ids,omitempty"`
	CostNano          int64    `json:"cost_nano"` // of these
}

// AnomaliesFrom is when the first of them may begin: before, the company only
// shows what is usual.
var AnomaliesFrom = time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)

// Anomalies returns what [Options.Anomalies] added, and the company's own.
func (c *Company) Anomalies() []Anomaly { return c.anomalies }

// anomalyKinds says how many there are of each kind, and between which amounts
// in dollars they cost, by chance of their logarithm.
var anomalyKinds = []struct {
	kind       string
	n          int
	least, top float64
	add        func(*anomalist, float64) bool
}{
	// What needs most people first.
	{AnomalyTeam, 3, 9, 40, (*anomalist).team},
	{AnomalyDoubling, 3, 4, 25, (*anomalist).doubling},
	{AnomalyNewDatabase, 2, 5, 50, (*anomalist).newDatabase},
	{AnomalyOddHour, 6, 4, 60, (*anomalist).oddHour},
	{AnomalyHugeQuery, 5, 4, 60, (*anomalist).hugeQuery},
	{AnomalyAmok, 4, 6, 80, (*anomalist).amok},
	{AnomalyTable, 4, 6, 60, (*anomalist).table},
	{AnomalyNewPerson, 3, 5, 50, (*anomalist).newPerson},
}

// An anomalist adds anomalies, no two of them to the same people on a day.
type anomalist struct {
	*builder
	taken map[string]bool // who and day
	names map[string]bool // tables, people and databases that were used
}

// addAnomalies adds them behind everything else, so that the company is else
// the same.
func (c *Company) addAnomalies() {
	a := &anomalist{builder: &builder{c: c, r: newRandom(c.seed, "anomalies")}, taken: map[string]bool{}, names: map[string]bool{}}
	for _, s := range []struct {
		subject, name string
		from, to      time.Time
	}{
		{"person", "jana@example.com", on(10, 29, 18, 0, 0), on(10, 29, 20, 0, 0)}, // surprise
		{"person", "jana@example.com", on(10, 22, 15, 0, 0), on(10, 22, 16, 0, 0)}, // cancelled
		{"person", "emil@example.com", on(10, 22, 10, 0, 0), on(10, 22, 11, 0, 0)}, // stopped
		{"team", "web-analytics", lastWeek, lastDay.AddDate(0, 0, 1)},              // as actors says
		{"person", "lena@example.com", lastWeek, lastDay.AddDate(0, 0, 1)},
		{"person", "vera@example.com", lastWeek, lastDay.AddDate(0, 0, 1)},
		{"person", "emil@example.com", lastWeek, lastDay.AddDate(0, 0, 1)},
		{"person", "theo@example.com", on(10, 24, 6, 0, 0), on(10, 24, 8, 0, 0)},                              // capacity
		{"role", "AWSReservedSSO_DataScientist_0901101ecd556248", on(10, 24, 12, 0, 0), on(10, 24, 13, 0, 0)}, // capacity
	} {
		c.anomalies = append(c.anomalies, Anomaly{What: "anomaly", Kind: AnomalyStory, Subject: s.subject, Name: s.name, From: s.from, To: s.to})
		a.take(strings.TrimSuffix(s.name, "@example.com"), s.from, s.to)
	}
	for _, p := range people {
		if p.team == "web-analytics" {
			a.take(p.name, lastWeek, lastDay)
		}
		if p.name == "hugo" { // who left
			a.take(p.name, AnomaliesFrom, lastDay)
		}
	}
	for _, k := range anomalyKinds {
		for range k.n {
			amount := k.least * math.Pow(k.top/k.least, a.r.Float64())
			for try := 0; !k.add(a, amount); try++ {
				if try > 10_000 {
					panic("demo: no room for an anomaly " + k.kind)
				}
			}
		}
	}
}

// take marks the days of a subject as used; it reports false where one of them
// is.
func (a *anomalist) take(who string, from, to time.Time) bool {
	var keys []string
	for day := from.Truncate(24 * time.Hour); !day.After(to); day = day.AddDate(0, 0, 1) {
		key := who + day.Format(time.DateOnly)
		if a.taken[key] {
			return false
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		a.taken[key] = true
	}
	return true
}

// day returns one of those on which anomalies may be, a working day if it must.
func (a *anomalist) day(working bool) time.Time {
	for {
		if day := AnomaliesFrom.AddDate(0, 0, a.r.between(0, 13)); !working || !weekend(day) {
			return day
		}
	}
}

// bytesOf is what an amount in dollars buys.
func bytesOf(dollars float64) int64 { return int64(dollars / 5 * tb) }

// split cuts an amount into n parts of different sizes.
func (a *anomalist) split(amount float64, n int) []float64 {
	parts, all := make([]float64, n), 0.0
	for i := range parts {
		parts[i] = 0.4 + a.r.Float64()
		all += parts[i]
	}
	for i := range parts {
		parts[i] *= amount / all
	}
	return parts
}

// did starts what was asked and keeps it as an anomaly.
func (a *anomalist) did(kind, subject, name string, asks ...ask) bool {
	x := Anomaly{What: "anomaly", Kind: kind, Subject: subject, Name: name}
	for _, q := range asks {
		q.cases = append(slices.Clone(q.cases), "anomaly_"+kind)
		i := a.start(q)
		if i < 0 {
			continue
		}
		t := &a.c.runs[i].truth
		x.QueryExecutionIDs = append(x.QueryExecutionIDs, t.QueryExecutionID)
		if t.CostNano != nil {
			x.CostNano += *t.CostNano
		}
		if x.From.IsZero() || t.at.Before(x.From) {
			x.From = t.at
		}
		if !t.at.Before(x.To) {
			x.To = t.at.Add(time.Second)
		}
	}
	a.c.anomalies = append(a.c.anomalies, x)
	return true
}

// reading is a statement over a table that scans so much.
func (a *anomalist) reading(table string, bytes int64) statement {
	s := selected(fmt.Sprintf("SELECT count(*) AS n, max(x.updated_at) AS newest\nFROM %s x\nWHERE x.attempt = %d", table, a.r.between(1, 1_000_000)), bytes, table)
	s.database, _, _ = strings.Cut(table, ".")
	return s
}

// usual is a statement of a person's own work, with other bytes.
func (a *anomalist) usual(p person, at time.Time, dollars float64) statement {
	s := pick(a.r, shapes[p.areas[0]]).statement(a.r, at)
	s.bytes = bytesOf(dollars)
	return s
}

// usualWeek is what a person costs in a week of the first three, in dollars.
func (a *anomalist) usualWeek(p person) float64 {
	var nano int64
	for i := range a.c.runs {
		if t := &a.c.runs[i].truth; t.CostNano != nil && t.at.Before(AnomaliesFrom) && t.Person == p.email() {
			nano += *t.CostNano
		}
	}
	return float64(nano) / 1e9 / 3
}

func (a *anomalist) someone() person { return pick(a.r, people) }

// oddHour: a few queries at night, or on a Sunday.
func (a *anomalist) oddHour(amount float64) bool {
	p := a.someone()
	day := a.day(false)
	hour := pick(a.r, []int{1, 2, 3, 4, 22})
	if weekend(day) {
		hour = a.r.between(5, 22)
	}
	at := day.Add(time.Duration(hour)*time.Hour - p.office.offset(day))
	if at.Before(AnomaliesFrom) || !at.Before(lastDay.Add(23*time.Hour)) || !a.take(p.name, day, day) {
		return false
	}
	var asks []ask
	for i, part := range a.split(amount, a.r.between(2, 7)) {
		at := at.Add(time.Duration(i*6) * time.Minute)
		asks = append(asks, a.console(p.name, at, a.usual(p, at, part)))
	}
	return a.did(AnomalyOddHour, "person", p.email(), asks...)
}

// doubling: for seven days the person's own days again, and more of them if
// that does not come to the amount.
func (a *anomalist) doubling(amount float64) bool {
	p := a.someone()
	from := AnomaliesFrom.AddDate(0, 0, pick(a.r, []int{2, 4, 7}))
	if p.perDay < 7 || !a.take(p.name, from, from.AddDate(0, 0, 6)) {
		return false
	}
	before := len(a.c.runs)
	times := max(1, amount/a.usualWeek(p))
	for i := range 7 {
		day := from.AddDate(0, 0, i)
		mean := p.perDay
		if weekend(day) {
			mean *= 0.06
		}
		if n := a.r.poisson(times * mean * a.c.factor); n > 0 {
			p.work(a.builder, day, n)
		}
	}
	x := Anomaly{What: "anomaly", Kind: AnomalyDoubling, Subject: "person", Name: p.email(), From: from, To: from.AddDate(0, 0, 7)}
	for i := before; i < len(a.c.runs); i++ {
		t := &a.c.runs[i].truth
		if t.QueryExecutionID == "" {
			continue
		}
		x.QueryExecutionIDs = append(x.QueryExecutionIDs, t.QueryExecutionID)
		if t.CostNano != nil {
			x.CostNano += *t.CostNano
		}
	}
	a.c.anomalies = append(a.c.anomalies, x)
	return true
}

// hugeQuery: one query in the middle of a working day.
func (a *anomalist) hugeQuery(amount float64) bool {
	p, day := a.someone(), a.day(true)
	if !a.take(p.name, day, day) {
		return false
	}
	at := day.Add(time.Duration(a.r.between(9*60, 16*60))*time.Minute - p.office.offset(day))
	return a.did(AnomalyHugeQuery, "person", p.email(), a.console(p.name, at, a.usual(p, at, amount)))
}

// amok: a job that is started again and again for some hours.
func (a *anomalist) amok(amount float64) bool {
	job := pick(a.r, []struct {
		role, session, tool, agent, region, group, team string
		inScopeOf                                       string
	}{
		{"bi-redash", "redash", "redash", agentPyAthena, US, "bi", "bi", ""},
		{"airflow-worker", "i-0a1b2c3d4e5f60789", "airflow", agentBoto, EU, "etl", "platform", ""},
		{"lambda-freshness-check", "freshness-check", "lambda", agentLambda, US, "primary", "platform", "arn:aws:lambda:" + US + ":" + Analytics + ":function:freshness-check"},
		{"bi-looker", "looker", "looker", agentLooker, US, "bi", "bi", ""},
	})
	day := a.day(false)
	if !a.take(job.role, day, day) {
		return false
	}
	from, hours := day.Add(time.Duration(a.r.between(0, 13))*time.Hour), a.r.between(3, 9)
	n := hours * a.r.between(8, 20)
	who := bot(roleSession{account: Analytics, role: job.role, session: job.session, created: from, key: a.r.id("ASIA", 16), inScopeOf: job.inScopeOf, ec2: job.tool == "airflow"}, job.tool)
	var asks []ask
	for i, part := range a.split(amount, n) {
		asks = append(asks, ask{at: from.Add(time.Duration(i) * time.Duration(hours) * time.Hour / time.Duration(n)), region: job.region, who: who, team: job.team, tool: job.tool,
			ip: "198.51.100.77", agent: job.agent, group: job.group, stmt: a.reading("web.page_views", bytesOf(part)), polls: 1})
	}
	return a.did(AnomalyAmok, "role", job.role, asks...)
}

// team: everybody in it, each a little.
func (a *anomalist) team(amount float64) bool {
	name, day := a.someone().team, a.day(true)
	var members []person
	for _, p := range people {
		if p.team == name && p.name != "hugo" {
			members = append(members, p)
		}
	}
	if len(members) < 2 {
		return false
	}
	for _, p := range members {
		if a.taken[p.name+day.Format(time.DateOnly)] {
			return false
		}
	}
	var asks []ask
	shares := a.split(min(amount, 4.4*float64(len(members))), len(members))
	for i, p := range members {
		a.take(p.name, day, day)
		for _, part := range a.split(min(shares[i], 4.8), a.r.between(5, 9)) {
			at := day.Add(time.Duration(a.r.between(8*60, 17*60))*time.Minute - p.office.offset(day))
			asks = append(asks, a.console(p.name, at, a.usual(p, at, part)))
		}
	}
	return a.did(AnomalyTeam, "team", name, asks...)
}

// table: many people, each a part of it. Two of the four tables are read now
// and then.
func (a *anomalist) table(amount float64) bool {
	table, day := pick(a.r, []string{"raw.app_events_2019", "sales.receipts_archive", "web.heatmaps", "finance.fx_rates", "web.searches", "sales.refunds"}), a.day(true)
	if a.names[table] || !a.take(table, day, day) {
		return false
	}
	account := Analytics
	if strings.HasPrefix(table, "finance.") {
		account = Finance
	}
	region := pick(a.r, []string{US, EU})
	var readers []person
	for _, p := range people {
		if p.account == account && p.region == region && p.name != "hugo" {
			readers = append(readers, p)
		}
	}
	if len(readers) < 2 {
		return false
	}
	a.names[table] = true
	var asks []ask
	for _, part := range a.split(amount, a.r.between(6, 14)) {
		p := pick(a.r, readers)
		at := day.Add(time.Duration(a.r.between(9*60, 16*60))*time.Minute - p.office.offset(day))
		q := a.console(p.name, at, a.reading(table, bytesOf(part)))
		asks = append(asks, q)
	}
	return a.did(AnomalyTable, "table", "awsdatacatalog."+table, asks...)
}

// newPerson: nobody has seen them before.
func (a *anomalist) newPerson(amount float64) bool {
	name, day := pick(a.r, []string{"ada", "bruno", "cleo", "dario", "edda"}), a.day(true)
	if a.names[name] {
		return false
	}
	a.names[name] = true
	p := a.someone()
	p.name, p.propagates = name, false
	at := day.Add(time.Duration(a.r.between(9*60, 15*60))*time.Minute - p.office.offset(day))
	who := p.caller(a.r, at.Add(-5*time.Minute))
	a.signIn(p, who, at.Add(-5*time.Minute), "203.0.113.61")
	var asks []ask
	for i, part := range a.split(amount, a.r.between(1, 8)) {
		at := at.Add(time.Duration(i*9) * time.Minute)
		asks = append(asks, ask{at: at, region: p.region, who: who, tool: "console", ip: "203.0.113.61", agent: agentConsole, group: p.group, stmt: a.usual(p, at, part), polls: 2, read: true})
	}
	return a.did(AnomalyNewPerson, "person", p.email(), asks...)
}

// newDatabase: two people in one that was not there.
func (a *anomalist) newDatabase(amount float64) bool {
	database, day := pick(a.r, []string{"vendor_x", "experiments", "geo"}), a.day(true)
	p, q := a.someone(), a.someone()
	if a.names[database] || p.name == q.name || p.account != Analytics || q.account != Analytics || !a.take(p.name, day, day) {
		return false
	}
	if !a.take(q.name, day, day) {
		return false
	}
	a.names[database] = true
	var asks []ask
	for _, part := range a.split(amount, a.r.between(3, 9)) {
		p := pick(a.r, []person{p, q})
		at := day.Add(time.Duration(a.r.between(9*60, 16*60))*time.Minute - p.office.offset(day))
		asks = append(asks, a.console(p.name, at, a.reading(database+".points", bytesOf(part))))
	}
	return a.did(AnomalyNewDatabase, "database", database, asks...)
}
