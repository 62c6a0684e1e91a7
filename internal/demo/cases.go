package demo

import (
	"fmt"
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
		a.agent, a.tool, a.polls = agentWrangler, "wrangler", 1
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
		b.start(ask{at: at, region: EU, who: who, team: "platform", tool: "airflow", ip: "198.51.100.42", group: "etl", stmt: s, wait: 3 * time.Hour, polls: 40,
			agent: agentBoto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/" + hexUUID("dag backfill"), cases: []string{"pending"}})
	}
	machine := bot(roleSession{account: Finance, role: "sfn-daily-close", session: b.r.hex(32), created: on(11, 2, 4, 20, 0), key: b.r.id("ASIA", 16), invokedBy: "states.amazonaws.com"}, "step functions")
	b.start(ask{at: on(11, 2, 4, 21, 7), region: US, who: machine, team: "finance", tool: "step functions", ip: "states.amazonaws.com", agent: "states.amazonaws.com",
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

// notebooks adds the sessions of Athena for Apache Spark. A human starts one;
// what its cells do is signed by the execution role.
func (c *Company) notebooks() {
	b := &builder{c: c, r: newRandom(c.seed, "notebooks")}
	books := map[string]string{"nora": b.r.uuid(), "theo": b.r.uuid()}
	for _, name := range []string{"nora", "theo"} {
		b.importNotebook(personNamed(name), books[name])
	}
	for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 1) {
		for _, name := range []string{"nora", "theo"} {
			if weekend(day) || !b.r.chance(0.45) {
				continue
			}
			at := b.moments(boston, day, 1)[0]
			b.session(personNamed(name), books[name], at, b.r.between(2, 9), b.r.chance(0.6))
		}
	}
	// One goes on past midnight.
	b.session(personNamed("nora"), books["nora"], on(10, 23, 22, 15, 0), 30, true, "midnight")
}

const notebookGroup = "ml-notebooks"

func (b *builder) importNotebook(p person, id string) {
	who := p.caller(b.r, firstDay.Add(13*time.Hour))
	who.console = true
	b.record(event{at: firstDay.Add(13*time.Hour + 5*time.Minute), region: p.region, account: p.account, source: athenaSource, name: "ImportNotebook",
		identity: who.identity, ip: "203.0.113.63", agent: agentConsole, console: true,
		params:   object("workGroup", notebookGroup, "name", p.name+"-churn", "payload", hidden, "type", "IPYNB", "contentMD5", hidden),
		response: object("notebookId", id)})
}

const hidden = "HIDDEN_FOR_SECURITY_REASONS"

func (b *builder) session(p person, book string, at time.Time, cells int, terminated bool, cases ...string) {
	who := p.caller(b.r, at.Add(-10*time.Minute))
	who.console = true
	b.signIn(p, who, who.created, "203.0.113.63")
	id := b.r.uuid()
	e := event{at: at, region: p.region, account: p.account, source: athenaSource, identity: who.identity, ip: "203.0.113.63", agent: agentConsole, console: true}
	e.name = "StartSession"
	e.params = `{"workGroup":"` + notebookGroup + `","engineConfiguration":{"coordinatorDpuSize":1,"maxConcurrentDpus":20,"defaultExecutorDpuSize":1,"additionalConfigs":{"NotebookId":"` + book +
		`","NotebookIframeParentUrl":"https://` + p.region + `.console.aws.amazon.com"}},"notebookVersion":"KeplerJupyter-1.x","sessionIdleTimeoutInMinutes":20,"clientRequestToken":"` + b.r.uuid() + `"}`
	e.response = object("sessionId", id, "state", "CREATED")
	b.record(e)

	t := SparkTruth{What: "session", SessionID: id, AccountID: p.account, Region: p.region, NotebookID: book, Person: p.email(),
		StartedAt: at.Truncate(time.Second).Format(time.RFC3339), Calculations: []string{}, Cases: cases}
	executor := roleSession{account: p.account, path: "service-role/", role: "AWSAthenaSparkExecutionRole-om0yj71w5l", session: "AthenaExecutor-" + id,
		created: at.Add(20 * time.Second), key: b.r.id("ASIA", 16)}.caller(p.email(), human, notebook, p.email())
	b.issued(executor, athenaSource, p.region)
	x := event{region: p.region, account: p.account, source: athenaSource, identity: executor.identity, ip: "198.51.100.60",
		agent: "Boto3/1.24.84 Python/3.8.14 Linux/4.14.225-175.364.amzn2.aarch64 Botocore/1.27.84"}
	for i := range cells {
		at = at.Add(time.Duration(b.r.between(60, 480)) * time.Second)
		x.at, x.name = at, "UpdateNotebook"
		x.params, x.response = object("notebookId", book, "payload", hidden, "type", "IPYNB", "contentMD5", hidden, "sessionId", id), ""
		b.record(x)
		calculation := b.r.uuid()
		x.at, x.name = at.Add(2*time.Second), "StartCalculationExecution"
		x.params = object("sessionId", id, "description", fmt.Sprintf("notebook cell %d", i+1), "codeBlock", hidden, "clientRequestToken", b.r.uuid())
		x.response = object("calculationExecutionId", calculation, "state", "CREATING")
		b.record(x)
		t.Calculations = append(t.Calculations, calculation)
	}
	if terminated {
		t.EndedBy = p.email()
		e.at, e.name, e.params, e.response = at.Add(10*time.Minute), "TerminateSession", object("sessionId", id), object("state", "TERMINATING")
		b.record(e)
	}
	b.c.spark = append(b.c.spark, t)
}
