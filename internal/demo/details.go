package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

const masked = "***OMITTED***" // queryString in records since July 2023

// An ask is a call of StartQueryExecution, and what comes of it.
type ask struct {
	at         time.Time
	region     string
	who        *caller
	team       string
	tool       string
	toolDetail string
	ip, agent  string
	endpoint   string
	group      string
	stmt       statement

	refuse *refusal                   // the call fails
	fail   *athenaapitest.AthenaError // the execution fails
	cancel time.Duration              // after which it is stopped, if still running
	stop   *caller                    // who stops it; nil: the caller
	wait   time.Duration              // its engine time at least
	queue  time.Duration              // its queue time at least
	reuse  bool                       // an earlier result may be given again
	reused bool                       // and was
	dpus   float64                    // it runs on a capacity reservation
	polls  int
	read   bool // the result is fetched
	lost   bool // Athena does not know the id any more
	asIs   bool // eventTime as given, not a moment later
	cases  []string
}

// A refusal is why a call gave no query execution id.
type refusal struct{ code, message string }

// A builder makes the story of one actor.
type builder struct {
	c *Company
	r random
}

// horizon is from when on nothing is delivered yet at Now.
var horizon = present.Add(-batch)

// start records the call, its answer and what follows from it. It returns the
// index of the run, or -1 for a call that is too late to be in the trail.
func (b *builder) start(a ask) int {
	a.at = a.at.Truncate(time.Millisecond)
	called := a.at.Add(time.Duration(b.r.between(20, 180)) * time.Millisecond).Truncate(time.Second)
	if a.asIs {
		called = a.at.Truncate(time.Second)
	}
	if !called.Before(horizon) {
		return -1
	}
	e := event{
		at: called, region: a.region, account: a.who.account, source: athenaSource, name: "StartQueryExecution",
		identity: a.who.identity, ip: a.ip, agent: a.agent, endpoint: a.endpoint, console: a.who.console,
		params: a.parameters(b.r.uuid()), forwarded: strings.HasSuffix(a.ip, ".amazonaws.com"),
	}
	t := Truth{
		What: "start", AccountID: a.who.account, Region: a.region, EventTime: called.Format(time.RFC3339), at: called,
		Person: a.who.person, Kind: a.who.kind, Team: a.team, Rung: a.who.rung, Answer: a.who.answer, Principal: a.who.arn, SourceIP: a.ip,
		Tool: a.tool, ToolDetail: a.toolDetail, Node: a.stmt.node, WorkGroup: a.group, Database: a.stmt.database, Cases: a.cases,
	}
	if a.who.mcp {
		e.kind = "AwsMcpEvent"
	}
	if a.refuse != nil {
		e.errorCode, e.errorText = a.refuse.code, a.refuse.message
		t.Gap, t.ErrorCode = "not_started", a.refuse.code
		if a.group == "primary" {
			t.WorkGroup = "" // the call did not name it, and no answer tells
		}
		t.EventID = b.record(e)
		t.EventIDs = []string{t.EventID}
		b.c.runs = append(b.c.runs, run{truth: t})
		return len(b.c.runs) - 1
	}

	id := b.r.uuid()
	e.response = object("queryExecutionId", id)
	t.QueryExecutionID = id
	t.EventID = b.record(e)
	t.EventIDs = []string{t.EventID}
	x := run{truth: t, answer: b.answer(id, a), known: !a.lost}
	x.describe(a, b.c.Now)
	b.c.runs = append(b.c.runs, x)
	b.follow(a, &x)
	return len(b.c.runs) - 1
}

func (a *ask) parameters(token string) string {
	var w writer
	w.open("")
	w.text("queryString", masked)
	w.text("clientRequestToken", token)
	w.open("queryExecutionContext")
	if a.stmt.database != "" {
		w.text("database", a.stmt.database)
		if a.who.console {
			w.text("catalog", "AwsDataCatalog")
		}
	}
	w.close()
	if a.group == "primary" {
		w.raw("resultConfiguration", object("outputLocation", outputs(a.who.account, a.region)))
	} else {
		w.text("workGroup", a.group)
	}
	if a.reuse {
		w.raw("resultReuseConfiguration", `{"resultReuseByAgeConfiguration":{"enabled":true,"maxAgeInMinutes":60}}`)
	}
	w.close()
	return string(w)
}

func outputs(account, region string) string {
	return "s3://example-store-athena-results-" + account + "-" + region + "/"
}

// answer is what Athena will say of the execution once it is done.
func (b *builder) answer(id string, a ask) athenaapitest.Execution {
	queue := int64(b.r.lognormal(130, 0.8))
	engine := int64(b.r.lognormal(600, 0.5)) + int64(float64(a.stmt.bytes)/b.r.lognormal(1.3*mb*(1+float64(a.stmt.bytes)/tb), 0.4))
	engine = max(engine, a.wait.Milliseconds())
	queue = max(queue, a.queue.Milliseconds())
	bytes := a.stmt.bytes
	state, reason := "SUCCEEDED", ""
	switch {
	case a.fail != nil:
		state, reason = "FAILED", a.fail.Message
		engine /= 3
		bytes /= 3
		if a.fail.Type == userMistake.Type {
			engine, bytes = int64(b.r.between(150, 600)), 0
		}
	case a.cancel > 0 && a.cancel.Milliseconds() < engine:
		bytes = int64(float64(bytes) * float64(a.cancel.Milliseconds()) / float64(engine))
		engine = a.cancel.Milliseconds()
		state, reason = "CANCELLED", "Query was cancelled by the user"
	case a.reused:
		engine, bytes = int64(b.r.between(60, 160)), 0
	}
	planning := min(engine, int64(b.r.between(40, 400)))
	pre, after := int64(b.r.between(20, 60)), int64(b.r.between(25, 140))
	total := queue + pre + engine + after
	ext := ".csv"
	if a.stmt.kind != "DML" {
		ext = ".txt"
	}
	x := athenaapitest.Execution{
		ID: id, Query: a.stmt.text, StatementType: a.stmt.kind, SubstatementType: a.stmt.sub, WorkGroup: a.group,
		ResultConfiguration: &athenaapitest.ResultConfiguration{OutputLocation: outputs(a.who.account, a.region) + id + ext},
		ResultReuse:         &athenaapitest.ResultReuse{ByAge: athenaapitest.ReuseByAge{Enabled: a.reuse}},
		Context:             &athenaapitest.Context{Database: a.stmt.database},
		EngineVersion:       &athenaapitest.EngineVersion{Selected: "AUTO", Effective: "Athena engine version 3"},
		Status: athenaapitest.Status{
			State: state, Reason: reason, Error: a.fail,
			SubmittedAt: athenaapitest.Epoch{Time: a.at}, CompletedAt: athenaapitest.Epoch{Time: a.at.Add(time.Duration(total) * time.Millisecond)},
		},
		Statistics: &athenaapitest.Statistics{
			EngineMillis: &engine, DataScannedBytes: &bytes, TotalMillis: &total, QueueMillis: &queue,
			PreProcessingMillis: &pre, PlanningMillis: &planning, ServiceMillis: &after,
			Reuse: &athenaapitest.ReuseInformation{ReusedPreviousResult: a.reused},
		},
	}
	if a.reuse {
		x.ResultReuse.ByAge.MaxAgeInMinutes = 60
	}
	if a.who.console {
		x.Context.Catalog = "awsdatacatalog"
	}
	if a.stmt.kind != "DML" {
		x.Statistics.PlanningMillis = nil
	}
	if a.dpus > 0 {
		x.Statistics.DPUCount = &a.dpus
	}
	if a.stmt.sub == "INSERT" || a.stmt.sub == "CREATE_TABLE_AS_SELECT" {
		x.Statistics.ManifestLocation = outputs(a.who.account, a.region) + "tables/" + id + "-manifest.csv"
	}
	return x
}

// describe fills in what is true of an execution as of now.
func (x *run) describe(a ask, now time.Time) {
	t := &x.truth
	t.SQL, t.StatementType, t.Substatement, t.Probe = a.stmt.text, a.stmt.kind, a.stmt.sub, a.stmt.probe
	t.Reads, t.Writes = catalogued(a.stmt.reads), catalogued(a.stmt.writes)
	t.SubmittedAt = x.answer.Status.SubmittedAt.UnixMilli()
	if !x.known {
		t.Gap = "expired"
		return
	}
	seen := x.answer.At(now)
	t.State = seen.Status.State
	if !seen.Final() {
		t.Gap = "pending"
		return
	}
	t.CompletedAt = seen.Status.CompletedAt.UnixMilli()
	t.ScannedBytes = seen.Statistics.DataScannedBytes
	t.Reused = a.reused && t.State == "SUCCEEDED"
	if t.State == "CANCELLED" {
		t.StoppedBy = a.who.person
		if a.stop != nil {
			t.StoppedBy = a.stop.person
		}
	}
	t.price(a.dpus > 0)
}

func catalogued(tables []string) []string {
	var out []string
	for _, t := range tables {
		out = append(out, "awsdatacatalog."+t)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// follow records the calls that come after a start: polls, the fetched result,
// the stop, and what Athena does elsewhere on the caller's behalf.
func (b *builder) follow(a ask, x *run) {
	id := x.truth.QueryExecutionID
	done := x.answer.Status.CompletedAt.Time
	call := func(name string, at time.Time, by *caller, params, response string, readOnly bool) {
		b.record(event{
			at: at, region: a.region, account: a.who.account, source: athenaSource, name: name, identity: by.identity,
			ip: a.ip, agent: a.agent, endpoint: a.endpoint, console: by.console, params: params, response: response, readOnly: readOnly,
			forwarded: strings.HasSuffix(a.ip, ".amazonaws.com"),
		})
	}
	for i := range a.polls {
		at := a.at.Add(done.Sub(a.at) * time.Duration(i+1) / time.Duration(a.polls))
		call("GetQueryExecution", at, a.who, object("queryExecutionId", id), "", true)
	}
	if a.read && x.answer.Status.State == "SUCCEEDED" {
		call("GetQueryResults", done.Add(time.Second), a.who, `{"queryExecutionId":"`+id+`","maxResults":1000}`, "", true)
	}
	if x.answer.Status.State == "CANCELLED" {
		by := a.who
		if a.stop != nil {
			by = a.stop
		}
		call("StopQueryExecution", done, by, object("queryExecutionId", id), "", false)
	}
	if len(a.stmt.reads) > 0 && !a.reused {
		b.downstream(a, x)
	}
}

// downstream records what Athena did on the caller's behalf. Those records
// name Athena in four places, and are none of its own.
func (b *builder) downstream(a ask, x *run) {
	identity := strings.TrimSuffix(a.who.identity, "}") + `,"invokedBy":"athena.amazonaws.com"}`
	if strings.Contains(a.who.identity, `"invokedBy"`) {
		identity = a.who.identity
	}
	on := event{
		at: a.at.Add(time.Second), region: a.region, account: a.who.account, identity: identity,
		ip: athenaSource, agent: athenaSource, readOnly: true, forwarded: true,
	}
	database, table, _ := strings.Cut(a.stmt.reads[0], ".")
	if b.r.chance(0.25) {
		e := on
		e.source, e.name = "glue.amazonaws.com", "GetTable"
		e.params = object("databaseName", database, "name", table)
		b.record(e)
	}
	if b.r.chance(0.15) {
		e := on
		e.source, e.name = "kms.amazonaws.com", "Decrypt"
		e.params = `{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::example-store-lake/` + database + "/" + table + `"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`
		e.resources = `[{"accountId":"` + a.who.account + `","type":"AWS::KMS::Key","ARN":"arn:aws:kms:` + a.region + ":" + a.who.account + `:key/0a1b2c3d-0000-4000-8000-000000000001"}]`
		b.record(e)
	}
	if b.r.chance(0.1) {
		e := on
		e.source, e.name = "s3.amazonaws.com", "GetBucketLocation"
		e.params = object("bucketName", "example-store-athena-results-"+a.who.account+"-"+a.region, "Host", "s3.amazonaws.com", "location", "")
		b.record(e)
	}
	if a.who.account != Finance || x.truth.StatementType != "DML" {
		return
	}
	// The finance account's tables are governed by Lake Formation.
	b.c.runLakeFormation(x)
	for _, read := range a.stmt.reads {
		database, table, _ := strings.Cut(read, ".")
		e := on
		e.source, e.name = "lakeformation.amazonaws.com", "GetDataAccess"
		e.params = `{"tableArn":"arn:aws:glue:` + a.region + ":" + Finance + ":table/" + database + "/" + table +
			`","permissions":["SELECT"],"durationSeconds":3600,"auditContext":{"additionalAuditContext":"{queryId: ` + x.truth.QueryExecutionID + `}"},"cellLevelSecurityEnforced":true}`
		principal := a.who.role
		if principal == "" {
			principal = a.who.arn
		}
		e.more = object("requesterService", "ATHENA", "LakeFormationTrustedCallerInvocation", "true", "lakeFormationPrincipal", principal,
			"lakeFormationRoleSessionName", "AWSLF-00-AT-"+Finance+"-"+b.r.id("", 10))
		b.record(e)
	}
}

// runLakeFormation marks the run that was just added.
func (c *Company) runLakeFormation(x *run) {
	if n := len(c.runs); n > 0 && c.runs[n-1].truth.EventID == x.truth.EventID {
		c.runs[n-1].truth.LakeFormation = true
	}
}

// record keeps an event under a new id, unless it is not delivered by Now, or
// from before the trail.
func (b *builder) record(e event) string {
	e.at = e.at.Truncate(time.Second)
	e.id, e.request = b.r.uuid(), b.r.uuid()
	if e.at.Before(horizon) && !e.at.Before(firstDay) {
		b.c.events = append(b.c.events, e)
	}
	return e.id
}

var (
	userMistake = athenaapitest.AthenaError{Category: 2, Type: 1306}
	exhausted   = athenaapitest.AthenaError{Category: 1, Type: 103, Retryable: true, Message: "Query exhausted resources at this scale factor"}
	timedOut    = athenaapitest.AthenaError{Category: 1, Type: 206, Message: "Query timeout"}
	noAccess    = athenaapitest.AthenaError{Category: 2, Type: 1003, Message: "Insufficient permissions to execute the query. User is not authorized to perform: glue:GetPartitions on resource"}
)

// failure returns one of the ways in which executions fail.
func (b *builder) failure(s statement) *athenaapitest.AthenaError {
	switch b.r.IntN(10) {
	case 0:
		e := exhausted
		return &e
	case 1:
		e := timedOut
		return &e
	case 2:
		e := noAccess
		return &e
	}
	e := userMistake
	e.Message = "COLUMN_NOT_FOUND: line 1:8: Column 'custmer_id' cannot be resolved or requester is not authorized to access requested resources"
	if len(s.reads) > 0 && b.r.chance(0.4) {
		e.Message = fmt.Sprintf("TABLE_NOT_FOUND: line 3:6: Table 'awsdatacatalog.%s_old' does not exist", s.reads[0])
	}
	return &e
}

// Lookup gives an execution of an account and region as it ends; see
// [athenaapitest.Config].
func (c *Company) Lookup(account, region, id string) (athenaapitest.Execution, bool) {
	i, ok := c.index[runKey{account, region, id}]
	if !ok {
		return athenaapitest.Execution{}, false
	}
	return c.runs[i].answer, true
}

// List gives the ids of a work group's executions, newest first.
func (c *Company) List(account, region, workGroup string) []string {
	return c.lists[groupKey{account, region, workGroup}]
}

// WorkGroups gives the work groups of an account and region, by name.
func (c *Company) WorkGroups(account, region string) []athenaapitest.WorkGroup {
	names := []string{"primary"}
	for k := range c.lists {
		if k.account == account && k.region == region {
			names = append(names, k.group)
		}
	}
	for _, x := range c.sessions {
		if x.truth.AccountID == account && x.truth.Region == region {
			names = append(names, x.truth.WorkGroup)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var out []athenaapitest.WorkGroup
	for _, name := range names {
		out = append(out, athenaapitest.WorkGroup{Name: name, CreatedAt: firstDay.AddDate(-1, 0, 0)})
	}
	return out
}

// workGroupTags are what the platform team has tagged work groups with. Those
// of primary and of the partners were forgotten.
var workGroupTags = map[string][]athenaapitest.Tag{
	"analysts":         {{Key: "cost-center", Value: "4100"}, {Key: "team", Value: "sales"}},
	"marketing":        {{Key: "cost-center", Value: "4200"}, {Key: "team", Value: "marketing"}},
	"web-analytics":    {{Key: "team", Value: "web-analytics"}},
	"data-science":     {{Key: "cost-center", Value: "4300"}, {Key: "team", Value: "data-science"}},
	"ml-notebooks":     {{Key: "cost-center", Value: "4300"}, {Key: "team", Value: "data-science"}},
	"spark-connect":    {{Key: "cost-center", Value: "4300"}, {Key: "team", Value: "data-science"}},
	"platform":         {{Key: "team", Value: "platform"}},
	"etl":              {{Key: "Team", Value: "platform"}}, // another key: case matters
	"bi":               {{Key: "team", Value: "bi"}},
	"finance":          {{Key: "cost-center", Value: "7000"}, {Key: "team", Value: "finance"}},
	"finance-close":    {{Key: "cost-center", Value: "7000"}, {Key: "team", Value: "finance"}},
	"finance-reserved": {{Key: "cost-center", Value: "7000"}, {Key: "team", Value: "finance"}},
	"audit":            {{Key: "team", Value: "audit"}},
}

// WorkGroupTags gives the tags of a work group, by key.
func (c *Company) WorkGroupTags(_, _, workGroup string) []athenaapitest.Tag {
	return workGroupTags[workGroup]
}

// API is the Athena API of the company's two accounts: one user's key of the
// analytics account, and [DetailsRole] in both. Its clock stands at Now.
func (c *Company) API() athenaapitest.Config {
	return athenaapitest.Config{
		Now:        func() time.Time { return c.Now },
		Lookup:     c.Lookup,
		List:       c.List,
		WorkGroups: c.WorkGroups,
		Tags:       c.WorkGroupTags,
		Spark:      c.spark(),
		// One id a call: at the rate that is believed of AWS the demo would
		// take a minute for them.
		Rates: map[string]athenaapitest.Rate{
			"GetSession": {PerSecond: 200, Burst: 400}, "GetCalculationExecution": {PerSecond: 200, Burst: 400},
			"ListTagsForResource": {PerSecond: 200, Burst: 400},
		},
		Keys: []athenaapitest.Key{{
			ID: AccessKeyID, Secret: SecretAccessKey, Account: Analytics,
			ARN: "arn:aws:iam::" + Analytics + ":user/athenatrail", UserID: principalID("AIDA", Analytics+"athenatrail"),
		}},
		Roles: []athenaapitest.Role{
			{ARN: strings.Replace(DetailsRole, "{account}", Analytics, 1), Trusted: []string{Analytics}},
			{ARN: strings.Replace(DetailsRole, "{account}", Finance, 1), Trusted: []string{Analytics}},
		},
	}
}
