package demo

import (
	"cmp"
	"fmt"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

const (
	notebookGroup = "ml-notebooks"
	connectGroup  = "spark-connect" // Spark 3.5

	pySpark  = "PySpark engine version 3"
	spark35  = "Apache Spark version 3.5"
	hidden   = "HIDDEN_FOR_SECURITY_REASONS"
	deskIP   = "203.0.113.63" // where people with notebooks sit
	sparkIP  = "198.51.100.60"
	agent35  = agentBoto + " app/spark-connect"
	executor = "Boto3/1.24.84 Python/3.8.14 Linux/4.14.225-175.364.amzn2.aarch64 Botocore/1.27.84"

	sparkRole = "AWSAthenaSparkExecutionRole-om0yj71w5l"
)

// A sparkAsk is a call of StartSession, and what comes of it.
type sparkAsk struct {
	p     person
	by    *caller // who starts it; nil: p, from the console
	at    time.Time
	book  string
	group string // empty: notebookGroup
	role  string // name of the execution role; empty: sparkRole

	connect    bool          // Spark 3.5: no notebook and no calculations
	busy       time.Duration // of Spark 3.5: how long it works
	cells      int
	gap        [2]int         // seconds from cell to cell; zero: 60 to 480
	states     map[int]string // of cells that do not complete
	lastRuns   time.Duration  // how long the last cell runs; 0: minutes
	timeout    int            // idle minutes until it ends; 0: 20
	terminated bool           // ten minutes after the last cell
	ender      *caller        // who terminates it; nil: who started it
	failed     string         // why it failed instead of working

	unrecorded bool // the trail lacks its start
	lost       bool // Athena does not know it
	forgotten  bool // nor its calculations
	cases      []string
}

// A sparkSession is one session: what is true of it, and what Athena answers.
type sparkSession struct {
	ask      sparkAsk
	truth    SparkTruth
	answer   athenaapitest.Session
	who      *caller // who started it
	executor *caller // what its cells are signed by
	startID  string  // event id of the StartSession
	started  time.Time
	ends     time.Time // of the TerminateSession; zero: none

	calculations []*sparkCalculation
}

type sparkCalculation struct {
	truth  CalculationTruth
	answer athenaapitest.Calculation
	known  bool
	at     time.Time
	state  string
}

// notebooks adds the sessions of Athena for Apache Spark. A human starts one;
// what its cells do is signed by the execution role.
func (c *Company) notebooks() {
	b := &builder{c: c, r: newRandom(c.seed, "notebooks")}
	books := map[string]string{"nora": b.r.uuid(), "theo": b.r.uuid()}
	for _, name := range []string{"nora", "theo"} {
		b.importNotebook(personNamed(name), books[name], firstDay.Add(13*time.Hour+5*time.Minute))
	}
	for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 1) {
		for _, name := range []string{"nora", "theo"} {
			if weekend(day) || !b.r.chance(0.45) {
				continue
			}
			at := b.moments(boston, day, 1)[0]
			b.session(sparkAsk{p: personNamed(name), book: books[name], at: at, cells: b.r.between(2, 9), terminated: b.r.chance(0.6)})
		}
	}
	b.session(sparkAsk{p: personNamed("nora"), book: books["nora"], at: on(10, 23, 22, 15, 0), cells: 30, terminated: true, cases: []string{"midnight"}})
}

func (b *builder) importNotebook(p person, id string, at time.Time) string {
	who := p.caller(b.r, at.Add(-5*time.Minute))
	who.console = true
	return b.athena(who, p.region, at, "ImportNotebook",
		object("workGroup", notebookGroup, "name", p.name+"-churn", "payload", hidden, "type", "IPYNB", "contentMD5", hidden),
		object("notebookId", id))
}

// athena records a call of Athena that somebody makes at their desk.
func (b *builder) athena(who *caller, region string, at time.Time, name, params, response string) string {
	e := event{at: at, region: region, account: who.account, source: athenaSource, name: name, identity: who.identity,
		ip: deskIP, agent: agentConsole, console: who.console, params: params, response: response}
	if !who.console {
		e.agent = agent35
	}
	return b.record(e)
}

// session records a session and what is done in it.
func (b *builder) session(a sparkAsk) *sparkSession {
	who := a.by
	if who == nil {
		who = a.p.caller(b.r, a.at.Add(-10*time.Minute))
		who.console = !a.connect
		if !a.unrecorded {
			b.signIn(a.p, who, who.created, deskIP)
		}
	}
	id := b.r.uuid()
	a.group, a.role = cmp.Or(a.group, notebookGroup), cmp.Or(a.role, sparkRole)
	a.timeout = cmp.Or(a.timeout, 20)
	x := &sparkSession{ask: a, who: who, started: a.at.Truncate(time.Millisecond)}
	params := a.parameters(b.r.uuid(), who.account)
	if !a.unrecorded {
		x.startID = b.athena(who, a.p.region, a.at, "StartSession", params, object("sessionId", id, "state", "CREATED"))
	}
	x.truth = SparkTruth{What: "session", SessionID: id, AccountID: who.account, Region: a.p.region, NotebookID: a.book, WorkGroup: a.group,
		Person: who.person, Kind: who.kind, Team: a.p.team, Rung: who.rung, Answer: who.answer,
		StartedAt: a.at.Truncate(time.Second).Format(time.RFC3339), IdleTimeout: a.timeout, EngineVersion: pySpark,
		ExecutionRole: a.roleARN(who.account), Calculations: []string{}, Cases: a.cases}
	rung, answer := notebook, who.answer
	if a.unrecorded || a.at.Before(firstDay) {
		rung, answer = roleRung, a.role
		x.truth.Rung, x.truth.Answer = rung, answer
	}
	x.executor = roleSession{account: who.account, path: a.rolePath(), role: a.role, session: "AthenaExecutor-" + id,
		created: a.at.Add(20 * time.Second), key: b.r.id("ASIA", 16)}.caller(who.person, who.kind, rung, answer)
	b.issued(x.executor, athenaSource, a.p.region)
	at := a.at
	if a.gap == [2]int{} {
		a.gap = [2]int{60, 480}
	}
	for i := range a.cells {
		at = at.Add(time.Duration(b.r.between(a.gap[0], a.gap[1])) * time.Second)
		b.cell(x, i, at)
	}
	if a.connect {
		x.truth.EngineVersion = spark35
		at = at.Add(a.busy)
		for i := range 1 + int(a.busy/time.Hour) {
			// The token that a client connects with lasts an hour.
			b.athena(who, a.p.region, a.at.Add(time.Duration(i)*time.Hour+40*time.Second), "GetSessionEndpoint", object("sessionId", id),
				object("endpointUrl", "https://"+id+".spark-connect.example.com", "authToken", hidden))
		}
	}
	if a.terminated {
		ender := a.ender
		if ender == nil {
			ender = who
		}
		x.ends = at.Add(10 * time.Minute)
		x.truth.EndedBy = ender.person
		b.athena(ender, a.p.region, x.ends, "TerminateSession", object("sessionId", id), object("state", "TERMINATING"))
	}
	b.c.sessions = append(b.c.sessions, x)
	return x
}

func (a *sparkAsk) rolePath() string {
	if a.role == sparkRole {
		return "service-role/"
	}
	return ""
}

func (a *sparkAsk) roleARN(account string) string {
	return "arn:aws:iam::" + account + ":role/" + a.rolePath() + a.role
}

// parameters are those of the StartSession.
func (a *sparkAsk) parameters(token, account string) string {
	timeout := fmt.Sprintf(`,"sessionIdleTimeoutInMinutes":%d,"clientRequestToken":"%s"}`, a.timeout, token)
	role := ""
	if a.role != sparkRole {
		role = `,"executionRole":"` + a.roleARN(account) + `"`
	}
	if a.connect {
		return `{"workGroup":"` + a.group + `","engineConfiguration":{"maxConcurrentDpus":4,"classifications":[{"name":"spark-defaults","properties":{"spark.sql.shuffle.partitions":"64"}}]}` + role + timeout
	}
	return `{"workGroup":"` + a.group + `","engineConfiguration":{"coordinatorDpuSize":1,"maxConcurrentDpus":20,"defaultExecutorDpuSize":1,"additionalConfigs":{"NotebookId":"` + a.book +
		`","NotebookIframeParentUrl":"https://` + a.p.region + `.console.aws.amazon.com"}},"notebookVersion":"KeplerJupyter-1.x"` + role + timeout
}

// cell records that a notebook is saved and one of its cells runs.
func (b *builder) cell(x *sparkSession, i int, at time.Time) {
	e := event{at: at, region: x.truth.Region, account: x.truth.AccountID, source: athenaSource, identity: x.executor.identity, ip: sparkIP, agent: executor}
	e.name = "UpdateNotebook"
	e.params = object("notebookId", x.truth.NotebookID, "payload", hidden, "type", "IPYNB", "contentMD5", hidden, "sessionId", x.truth.SessionID)
	b.record(e)
	e.at = at.Add(2 * time.Second)
	b.calculation(x, i, x.executor, e)
}

// calculation records a StartCalculationExecution like e.
func (b *builder) calculation(x *sparkSession, i int, who *caller, e event) *sparkCalculation {
	id := b.r.uuid()
	what := fmt.Sprintf("notebook cell %d", i+1)
	e.name, e.identity = "StartCalculationExecution", who.identity
	e.params = object("sessionId", x.truth.SessionID, "description", what, "codeBlock", hidden, "clientRequestToken", b.r.uuid())
	e.response = object("calculationExecutionId", id, "state", "CREATING")
	y := &sparkCalculation{at: e.at.Truncate(time.Millisecond), state: cmp.Or(x.ask.states[i], "COMPLETED"), known: !x.ask.forgotten}
	y.truth = CalculationTruth{What: "calculation", CalculationID: id, SessionID: x.truth.SessionID, AccountID: x.truth.AccountID, Region: x.truth.Region,
		EventID: b.record(e), Person: who.person, Rung: who.rung, Answer: who.answer, Principal: who.arn, SourceIP: e.ip, Description: what}
	x.calculations = append(x.calculations, y)
	x.truth.Calculations = append(x.truth.Calculations, id)
	return y
}
