package demo

import (
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// cases adds what happens once, and has to be there however few starts a
// company has.
func (c *Company) cases() {
	b := &builder{c: c, r: newRandom(c.seed, "cases")}
	b.surprise()
	b.atMidnight()
	b.retried()
	b.stopped()
	b.deniedStarts()
	b.failedStarts()
	b.running()
	b.forgotten()
	b.root()
	b.ownReads()
	b.mentions()
	b.forgedComments()
}

// forgedComments name somebody who did not ask: pasted by people who are known
// by themselves, or where no tool would write them.
func (b *builder) forgedComments() {
	const comment = "/* Username: bea@example.com, query_id: 12, Queue: queries, Job ID: 3f0c7a52-0000-4000-8000-000000000001, Query Hash: 5d41402abc4b2a76b9719d911017c592, Scheduled: False */"
	at := on(10, 22, 13, 5, 44)
	like := pick(b.r, shapes["sales"]).statement(b.r, at)
	like.bytes = 312 * mb

	pasted := like
	pasted.text = comment + " " + like.text
	b.start(b.console("milo", at, pasted, "forged_comment"))

	wanda := user(Analytics, "wanda", "AKIADEMOWANDAEXAMPLE", "wanda", human, iamUser)
	b.start(ask{at: at.Add(11 * time.Minute), region: EU, who: wanda, team: "platform", tool: "pyathena", ip: "203.0.113.21", agent: agentPyAthena, group: "platform",
		stmt: pasted, polls: 1, read: true, cases: []string{"forged_comment"}})

	bi := func(text string, reads ...string) {
		at = at.Add(17 * time.Minute)
		s := like
		s.text = text
		who := bot(roleSession{account: Analytics, role: "bi-redash", session: "redash", created: at.Add(-time.Hour), key: b.r.id("ASIA", 16)}, "redash")
		b.issued(who, "ec2.amazonaws.com", US)
		i := b.start(ask{at: at, region: US, who: who, team: "bi", tool: "redash", ip: "198.51.100.31", agent: agentPyAthena, group: "bi", stmt: s, polls: 1, read: true, cases: []string{"forged_comment"}})
		b.c.runs[i].truth.Reads = reads
	}
	bi("SELECT '"+comment+"' AS note, count(*) FROM sales.orders", "awsdatacatalog.sales.orders")
	bi("SELECT count(*) "+comment+" FROM sales.orders", "awsdatacatalog.sales.orders")
	bi(comment[:60])
}

func on(month time.Month, day, hour, minute, second int) time.Time {
	return time.Date(2026, month, day, hour, minute, second, 0, time.UTC)
}

// console returns what a person asks in Athena's console.
func (b *builder) console(name string, at time.Time, s statement, cases ...string) ask {
	p := personNamed(name)
	signedIn := at.Add(-4 * time.Minute)
	who := p.caller(b.r, signedIn)
	who.console = true
	b.signIn(p, who, signedIn, "203.0.113.60")
	return ask{at: at, region: p.region, who: who, team: p.team, tool: "console", ip: "203.0.113.60", agent: agentConsole, group: p.group,
		stmt: s, polls: 3, read: true, cases: cases}
}

// surprise is a day's clicks that were meant, and two years of them that were
// scanned: the filter is on a column that the table is not partitioned by.
func (b *builder) surprise() {
	s := statement{
		text: "SELECT c.campaign, count(DISTINCT c.user_id) AS people\nFROM raw.clickstream c\nWHERE date(from_iso8601_timestamp(c.event_time)) = DATE '2026-10-28'\nGROUP BY c.campaign\nORDER BY people DESC",
		kind: "DML", sub: "SELECT", database: "raw", reads: []string{"raw.clickstream"}, bytes: 6*tb + 123*gb + 4567,
	}
	b.start(b.console("jana", on(10, 29, 18, 42, 11), s, "six_terabytes"))
}

// atMidnight starts on one day by CloudTrail's clock and on the next by
// Athena's.
func (b *builder) atMidnight() {
	a := b.console("rosa", on(10, 20, 23, 59, 59), pick(b.r, shapes["sales"]).statement(b.r, on(10, 20, 23, 59, 59)), "midnight")
	a.asIs = true
	i := b.start(a)
	x := &b.c.runs[i]
	x.answer.Status.SubmittedAt.Time = on(10, 21, 0, 0, 0).Add(214 * time.Millisecond)
	x.answer.Status.CompletedAt.Time = x.answer.Status.CompletedAt.Add(1214 * time.Millisecond)
	x.truth.SubmittedAt = x.answer.Status.SubmittedAt.UnixMilli()
	x.truth.CompletedAt = x.answer.Status.CompletedAt.UnixMilli()
}

// retried starts are logged for each call, and have one id: once within a
// second or two, and once over midnight.
func (b *builder) retried() {
	for _, at := range []time.Time{on(10, 6, 9, 30, 12), on(10, 13, 14, 2, 40), on(10, 21, 23, 59, 58)} {
		s := pick(b.r, shapes["raw"]).statement(b.r, at)
		name := "vera"
		a := b.console(name, at, s, "retried")
		a.who = personNamed(name).caller(b.r, at.Add(-time.Hour))
		a.agent, a.tool, a.polls = agentWrangler, "awswrangler", 1
		a.asIs = true
		i := b.start(a)
		t := &b.c.runs[i].truth
		again := b.c.events[b.find(t.EventID)]
		again.at = again.at.Add(3 * time.Second)
		t.EventIDs = append(t.EventIDs, b.record(again))
	}
}

func (b *builder) find(id string) int {
	return slices.IndexFunc(b.c.events, func(e event) bool { return e.id == id })
}

// stopped executions are stopped by somebody else than who started them.
func (b *builder) stopped() {
	for i, at := range []time.Time{on(10, 8, 13, 20, 0), on(10, 22, 10, 5, 30)} {
		s := shapes["web"][4].statement(b.r, at)
		s.bytes = int64(i+2) * 400 * gb
		a := b.console("emil", at, s, "stopped_by_another")
		a.cancel, a.wait = 95*time.Second, 10*time.Minute
		a.stop = personNamed("olga").caller(b.r, at.Add(-time.Hour))
		b.start(a)
	}
}

func (b *builder) deniedStarts() {
	at := on(10, 14, 15, 0, 0)
	for i, name := range []string{"otto", "otto", "hugo", "nora", "kira"} {
		if name == "hugo" {
			at = on(10, 14, 16, 0, 0)
		}
		a := b.console(name, at.Add(time.Duration(i)*37*time.Second), shapes["finance"][0].statement(b.r, at), "denied")
		a.group = "finance-close"
		a.refuse = denied(a.who, a.region, a.group, i%2 == 1)
		b.start(a)
	}
}

func (b *builder) failedStarts() {
	at := on(10, 15, 13, 10, 0)
	for i, message := range []string{
		"No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.",
		"Queries of this type are not supported", "WorkGroup analyst is not found.",
	} {
		a := b.console("milo", at.Add(time.Duration(i)*time.Minute), shapes["sales"][0].statement(b.r, at), "failed_start")
		a.refuse = &refusal{"InvalidRequestException", message}
		b.start(a)
	}
	failed := b.console("ines", on(10, 16, 14, 1, 0), shapes["web"][0].statement(b.r, at), "failed")
	failed.fail = &athenaapitest.AthenaError{Category: 2, Type: 233, Message: "HIVE_BAD_DATA: Field visitor_id's type INT64 in parquet file s3://example-store-lake/web/page_views/dt=2026-10-15/part-0.parquet is incompatible with type varchar"}
	b.start(failed)
	reused := b.console("rosa", on(10, 16, 15, 1, 0), shapes["sales"][0].statement(b.r, at), "reused")
	reused.reuse, reused.reused = true, true
	b.start(reused)
}

// running executions are not final at Now. One waits for reserved capacity.
func (b *builder) running() {
	for i, minutes := range []int{12, 29, 36, 53} {
		at := on(11, 2, 4, minutes, 10*i)
		s := shapes["raw"][1].statement(b.r, at)
		s.bytes = int64(i+1) * 900 * gb
		who := bot(roleSession{account: Analytics, role: "airflow-worker", session: "i-0a1b2c3d4e5f60789", created: at.Add(-time.Hour), key: b.r.id("ASIA", 16), ec2: true}, "airflow")
		b.start(ask{at: at, region: EU, who: who, team: "platform", tool: "airflow", toolDetail: dagRunKey("backfill"), ip: "198.51.100.42", group: "etl", stmt: s, wait: 3 * time.Hour, polls: 40,
			agent: agentAirflow + dagRunKey("backfill"), cases: []string{"pending"}})
	}
	machine := bot(roleSession{account: Finance, role: "sfn-daily-close", session: b.r.hex(32), created: on(11, 2, 4, 20, 0), key: b.r.id("ASIA", 16), invokedBy: "states.amazonaws.com"}, "step functions")
	b.start(ask{at: on(11, 2, 4, 21, 7), region: US, who: machine, team: "finance", tool: "step-functions", ip: "states.amazonaws.com", agent: "states.amazonaws.com",
		group: "finance-reserved", stmt: shapes["finance"][2].statement(b.r, on(11, 2, 4, 21, 7)), queue: 3 * time.Hour, dpus: 24, cases: []string{"pending"}})
}

// forgotten executions are in the trail, and Athena says it has none such.
func (b *builder) forgotten() {
	for _, at := range []time.Time{on(10, 2, 11, 0, 7), on(10, 19, 16, 20, 1)} {
		a := b.console("lena", at, shapes["web"][1].statement(b.r, at), "forgotten")
		a.lost = true
		b.start(a)
	}
}

// root is what nobody should do.
func (b *builder) root() {
	at := on(10, 3, 19, 12, 44)
	arn := "arn:aws:iam::" + Finance + ":root"
	who := &caller{account: Finance, arn: arn, key: "ASIADEMOROOTEXAMPLE0", console: true, person: "root", kind: human, rung: rootUser, answer: "root",
		identity: `{"type":"Root","principalId":"` + Finance + `","arn":"` + arn + `","accountId":"` + Finance + `","accessKeyId":"ASIADEMOROOTEXAMPLE0","sessionContext":{"attributes":{"creationDate":"2026-10-03T19:02:10Z","mfaAuthenticated":"true"}}}`}
	b.start(ask{at: at, region: US, who: who, tool: "console", ip: "203.0.113.61", agent: agentConsole, group: "primary", stmt: shapes["finance"][3].statement(b.r, at), polls: 1, read: true, cases: []string{"root"}})
}

// ownReads are an auditor's own calls for details.
func (b *builder) ownReads() {
	for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 7) {
		at := day.Add(4 * time.Hour)
		who := bot(roleSession{account: Finance, role: "athenatrail-details", session: "athenatrail", created: at.Add(-time.Minute), key: b.r.id("ASIA", 16)}, "athenatrail")
		b.record(event{at: at, region: US, account: Finance, source: athenaSource, name: "BatchGetQueryExecution", identity: who.identity, ip: "198.51.100.50",
			agent: agentGo + " athenatrail/1.0", params: `{"queryExecutionIds":["` + b.r.uuid() + `","` + b.r.uuid() + `"]}`, readOnly: true})
	}
}

// mentions are records of other services that hold the words by which Athena's
// are found, quoted and not, in every place but their own eventSource.
func (b *builder) mentions() {
	p := personNamed("olga")
	who := p.caller(b.r, on(10, 7, 8, 0, 0))
	e := event{region: EU, account: Analytics, identity: who.identity, ip: "203.0.113.62", agent: agentCLI}
	for i, m := range []struct{ source, name, params, agent string }{
		{"cloudtrail.amazonaws.com", "LookupEvents", `{"lookupAttributes":[{"attributeKey":"EventSource","attributeValue":"athena.amazonaws.com"}],"maxResults":50}`, ""},
		{"events.amazonaws.com", "TestEventPattern", `{"eventPattern":"{\"detail\":{\"eventSource\":[\"athena.amazonaws.com\"]}}","event":{"source":"aws.athena","detail":{"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","responseElements":{"queryExecutionId":"` + b.r.uuid() + `"}}}}`, ""},
		{"events.amazonaws.com", "PutRule", `{"name":"athena-starts","eventPattern":"{\"source\":[\"aws.athena\"],\"detail\":{\"eventSource\":[\"athena.amazonaws.com\"],\"eventName\":[\"StartQueryExecution\"]}}","state":"ENABLED"}`, ""},
		{"iam.amazonaws.com", "CreatePolicy", `{"policyName":"read-athena","policyDocument":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"athena:*\",\"Condition\":{\"StringEquals\":{\"aws:CalledViaFirst\":\"athena.amazonaws.com\"}}}]}"}`, ""},
		{"config.amazonaws.com", "PutEvaluations", `{"evaluations":[{"eventSource":"athena.amazonaws.com","Tagging":"a","tagging":"b"}],"eventSource":"athena.amazonaws.com"}`, ""},
		{"s3.amazonaws.com", "GetBucketAcl", `{"bucketName":"example-store-lake","acl":"","Host":"s3.amazonaws.com"}`, `eventSource":"athena.amazonaws.com`},
		{"lambda.amazonaws.com", "UpdateFunctionConfiguration20150331v2", `{"functionName":"freshness-check","environment":{"variables":{"x":"{\"eventSource\":\"athena.amazonaws.com\",\"eventSource\": \"sts.amazonaws.com\"}"}}}`, ""},
	} {
		e.at, e.source, e.name, e.params, e.agent = on(10, 7, 8, 10+i, 3), m.source, m.name, m.params, agentCLI
		if m.agent != "" {
			e.agent = m.agent
		}
		e.readOnly = strings.HasPrefix(m.name, "Get") || strings.HasPrefix(m.name, "Lookup")
		b.record(e)
	}
}
