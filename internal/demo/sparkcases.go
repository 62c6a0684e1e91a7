package demo

import (
	"slices"
	"time"
)

// sparkCases adds the sessions and calls around notebooks that happen once,
// and has to be there however few starts a company has: the odd lives of
// sessions, and for each finding one case that is one and one that is none.
func (c *Company) sparkCases() {
	b := &builder{c: c, r: newRandom(c.seed, "spark cases")}
	books := map[string]string{}
	for _, x := range c.sessions {
		books[x.truth.Person] = x.truth.NotebookID
	}
	nora, theo := books["nora@example.com"], books["theo@example.com"]
	if nora == "" || theo == "" {
		nora, theo = b.r.uuid(), b.r.uuid() // a seed without sessions of one of them
	}
	b.ends(nora, theo)
	b.halves(nora, theo)
	b.connected()
	b.idle()
	b.addresses(theo)
	b.presigned(nora)
	b.imports()
	b.notebookKeepers(nora, theo)
	b.deniedNotebooks()
	b.outside(theo)
}

// finding keeps a finding, or what looks like one, and marks its session.
func (b *builder) finding(name string, fires bool, who *caller, region string, x *sparkSession, book string, events ...string) {
	f := SparkFinding{What: "finding", Finding: name, Fires: fires, AccountID: who.account, Region: region, Person: who.person, NotebookID: book, EventIDs: events}
	if x != nil {
		f.SessionID, f.NotebookID = x.truth.SessionID, x.truth.NotebookID
		mark := "no_finding_" + name
		if fires {
			mark = "finding_" + name
		}
		x.truth.Cases = append(slices.Clone(x.truth.Cases), mark)
	}
	b.c.findings = append(b.c.findings, f)
}

// atDesk is a session of somebody's single sign-on in the console.
func (b *builder) atDesk(name string, at time.Time) *caller {
	p := personNamed(name)
	who := p.caller(b.r, at.Add(-6*time.Minute))
	who.console = true
	b.signIn(p, who, who.created, deskIP)
	return who
}

// ends are sessions that end in other ways than most.
func (b *builder) ends(nora, theo string) {
	b.session(sparkAsk{p: personNamed("nora"), book: nora, at: on(10, 8, 15, 2, 9), failed: "Session failed to start: the DPU quota of the account is exceeded", cases: []string{"failed_session"}})

	x := b.session(sparkAsk{p: personNamed("nora"), book: nora, at: on(10, 19, 14, 30, 0), cells: 5, gap: [2]int{200, 400}, terminated: true,
		states: map[int]string{1: "FAILED", 2: "CANCELED"}, cases: []string{"calculation_states"}})
	x.calculations[1].truth.Cases = []string{"failed"}
	x.calculations[2].truth.Cases = []string{"canceled"}
	b.athena(x.who, x.truth.Region, x.calculations[3].at.Add(-5*time.Second), "StopCalculationExecution",
		object("calculationExecutionId", x.calculations[2].truth.CalculationID), object("state", "CANCELING"))
	for i := range 2 {
		b.notebookSQL(x, x.calculations[3+i].at.Add(3*time.Second), "sql")
	}

	at := on(10, 20, 8, 15, 0)
	b.session(sparkAsk{p: personNamed("olga"), book: b.r.uuid(), at: at, cells: 4, terminated: true, cases: []string{"region_without_price"}})

	// Somebody else ends it; and somebody of another account tries to.
	x = b.session(sparkAsk{p: personNamed("nora"), book: nora, at: on(10, 21, 13, 20, 0), cells: 3, terminated: true, ender: b.atDesk("theo", on(10, 21, 13, 10, 0)), cases: []string{"terminated_by_another"}})
	paul := b.atDesk("paul", on(10, 21, 13, 31, 0))
	b.record(event{at: on(10, 21, 13, 30, 0).Add(2 * time.Minute), region: US, account: Finance, source: athenaSource, name: "TerminateSession", identity: paul.identity, ip: deskIP, agent: agentConsole, console: true,
		params: object("sessionId", x.truth.SessionID), errorCode: "ResourceNotFoundException", errorText: "Session " + x.truth.SessionID + " does not exist"})

	// Its start is delivered a day late, and was sent twice.
	x = b.session(sparkAsk{p: personNamed("theo"), book: theo, at: on(10, 26, 17, 5, 0), cells: 4, cases: []string{"start_late", "start_retried"}})
	i := b.find(x.startID)
	b.c.events[i].late = 24 * time.Hour
	again := b.c.events[i]
	again.at, again.late = again.at.Add(2*time.Second), 0
	b.record(again)
	b.notebookSQL(x, x.calculations[1].at.Add(4*time.Second), "sql")

	b.session(sparkAsk{p: personNamed("vera"), book: b.r.uuid(), at: on(11, 2, 3, 20, 0), cells: 5, lastRuns: 4 * time.Hour, cases: []string{"running"}})

	for _, x := range b.c.sessions {
		if slices.Contains(x.truth.Cases, "midnight") {
			b.notebookSQL(x, x.calculations[len(x.calculations)-2].at.Add(5*time.Second), "midnight")
		}
	}
}

// notebookSQL is a query that the code of a cell starts.
func (b *builder) notebookSQL(x *sparkSession, at time.Time, cases ...string) {
	b.start(ask{at: at, region: x.truth.Region, who: x.executor, team: x.truth.Team, tool: "spark-notebook", toolDetail: x.truth.SessionID, ip: sparkIP, agent: executor,
		group: "data-science", stmt: pick(b.r, shapes["ml"]).statement(b.r, at), polls: 2, read: true, cases: append([]string{"notebook_sql"}, cases...)})
}

// halves are sessions of which the trail or Athena lacks something.
func (b *builder) halves(nora, theo string) {
	b.session(sparkAsk{p: personNamed("nora"), book: nora, at: firstDay.Add(-10 * time.Minute), cells: 5, gap: [2]int{700, 900}, terminated: true,
		ender: b.atDesk("theo", firstDay.Add(20*time.Minute)), cases: []string{"before_the_trail", "terminated_by_another"}})
	b.session(sparkAsk{p: personNamed("nora"), book: nora, at: on(10, 5, 14, 12, 30), cells: 3, lost: true, forgotten: true, cases: []string{"forgotten"}})
	b.session(sparkAsk{p: personNamed("theo"), book: theo, at: on(10, 6, 15, 40, 0), cells: 2, unrecorded: true, lost: true, cases: []string{"unknown_session"}})
}

// connected are sessions of Spark 3.5, in which no calculation is seen.
func (b *builder) connected() {
	nora, theo := personNamed("nora"), personNamed("theo")
	x := b.session(sparkAsk{p: nora, group: connectGroup, at: on(10, 12, 14, 0, 20), connect: true, busy: 130 * time.Minute, terminated: true, cases: []string{"spark_connect"}})
	b.athena(x.who, US, x.started.Add(30*time.Minute), "GetResourceDashboard",
		object("resourceARN", "arn:aws:athena:"+US+":"+Analytics+":workgroup/"+connectGroup+"/session/"+x.truth.SessionID), object("url", hidden))
	b.session(sparkAsk{p: theo, group: connectGroup, at: on(10, 27, 16, 10, 0), connect: true, busy: 25 * time.Minute, timeout: 60, cases: []string{"spark_connect"}})
	at := on(10, 28, 2, 30, 0)
	runner := bot(roleSession{account: Analytics, role: "dbt-runner", session: b.r.hex(32), created: at.Add(-time.Minute), key: b.r.id("ASIA", 16)}, "dbt")
	b.issued(runner, "ecs-tasks.amazonaws.com", US)
	b.session(sparkAsk{p: person{region: US, team: "platform"}, by: runner, group: connectGroup, at: at, connect: true, busy: 11 * time.Minute, terminated: true, cases: []string{"spark_connect", "service"}})
}

// idle sessions were left alone for eight hours; another for minutes. A
// notebook has one session at a time, so each has its own.
func (b *builder) idle() {
	for _, a := range []struct {
		fires bool
		ask   sparkAsk
	}{
		{true, sparkAsk{p: personNamed("nora"), book: b.r.uuid(), at: on(10, 14, 13, 10, 0), cells: 3, timeout: 480, cases: []string{"idle_for_hours"}}},
		{true, sparkAsk{p: personNamed("theo"), book: b.r.uuid(), at: on(11, 1, 22, 5, 0), cells: 2, timeout: 480, cases: []string{"idle_still"}}},
		{false, sparkAsk{p: personNamed("theo"), book: b.r.uuid(), at: on(10, 15, 15, 0, 0), cells: 6}},
	} {
		x := b.session(a.ask)
		b.finding(FindingIdleSession, a.fires, x.who, x.truth.Region, x, "", x.startID)
	}
}

// addresses: a person may start calculations in their session themselves. The
// executor's own cells always come from another address, and are no finding.
func (b *builder) addresses(theo string) {
	for _, a := range []struct {
		fires bool
		at    time.Time
		ip    string
	}{
		{true, on(10, 13, 15, 0, 0), "192.0.2.77"},
		{false, on(10, 14, 18, 0, 0), deskIP},
	} {
		x := b.session(sparkAsk{p: personNamed("theo"), book: theo, at: a.at, cells: 2, cases: []string{"cells_by_api"}})
		at := x.calculations[1].at.Add(6 * time.Minute)
		y := b.calculation(x, 2, x.who, event{at: at, region: US, account: Analytics, source: athenaSource, ip: a.ip, agent: agent35})
		b.finding(FindingForeignAddress, a.fires, x.who, US, x, "", x.startID, y.truth.EventID)
	}
}

func (b *builder) presigned(nora string) {
	for _, a := range []struct {
		fires bool
		at    time.Time
		name  string
	}{
		{true, on(10, 15, 17, 30, 0), "milo"},
		{false, on(10, 16, 17, 30, 0), "nora"},
	} {
		x := b.session(sparkAsk{p: personNamed("nora"), book: nora, at: a.at, cells: 4, terminated: true})
		who := x.who
		if a.fires {
			who = b.atDesk(a.name, a.at)
		}
		id := b.athena(who, US, a.at.Add(3*time.Minute), "CreatePresignedNotebookUrl", object("sessionId", x.truth.SessionID),
			object("notebookUrl", hidden, "authToken", hidden))
		b.finding(FindingPresignedURL, a.fires, who, US, x, "", x.startID, id)
	}
}

// imports are notebooks that come from elsewhere and then run: under the role
// that the work group always has, and under one that may do more.
func (b *builder) imports() {
	for _, a := range []struct {
		fires bool
		at    time.Time
		role  string
	}{
		{true, on(10, 9, 14, 0, 0), "ml-platform-admin"},
		{false, on(10, 12, 18, 0, 0), ""},
	} {
		book := b.r.uuid()
		hugo := personNamed("hugo")
		imported := b.importNotebook(hugo, book, a.at)
		x := b.session(sparkAsk{p: personNamed("theo"), book: book, at: a.at.Add(40 * time.Minute), cells: 2, role: a.role, terminated: true})
		b.finding(FindingImportRole, a.fires, x.who, US, x, "", imported, x.startID)
		if a.fires {
			gone := b.atDesk("milo", on(10, 26, 15, 0, 0))
			id := b.athena(gone, US, on(10, 26, 15, 0, 0), "DeleteNotebook", object("notebookId", book), "")
			b.finding(FindingForeignNotebook, true, gone, US, nil, book, imported, id)
		}
	}
}

// notebookKeepers export and delete notebooks: their own, and others'.
func (b *builder) notebookKeepers(nora, theo string) {
	jana := b.atDesk("jana", on(10, 16, 14, 20, 0))
	id := b.athena(jana, US, on(10, 16, 14, 20, 0), "ExportNotebook", object("notebookId", nora), "")
	b.finding(FindingForeignNotebook, true, jana, US, nil, nora, id)

	own := b.atDesk("theo", on(10, 16, 15, 20, 0))
	id = b.athena(own, US, on(10, 16, 15, 20, 0), "ExportNotebook", object("notebookId", theo), "")
	b.finding(FindingForeignNotebook, false, own, US, nil, theo, id)

	scratch := b.r.uuid()
	own = b.atDesk("nora", on(10, 20, 16, 0, 0))
	made := b.athena(own, US, on(10, 20, 16, 0, 0), "CreateNotebook", object("workGroup", notebookGroup, "name", "scratch", "clientRequestToken", b.r.uuid()), object("notebookId", scratch))
	b.athena(own, US, on(10, 20, 16, 4, 0), "UpdateNotebookMetadata", object("notebookId", scratch, "name", "scratch-2", "clientRequestToken", b.r.uuid()), "")
	id = b.athena(own, US, on(10, 20, 16, 30, 0), "DeleteNotebook", object("notebookId", scratch), "")
	b.finding(FindingForeignNotebook, false, own, US, nil, scratch, made, id)
}

// refusedNotebook records a notebook call that was denied.
func (b *builder) refusedNotebook(who *caller, region string, at time.Time, name string) string {
	e := event{at: at, region: region, account: who.account, source: athenaSource, name: name, identity: who.identity, ip: deskIP, agent: agentConsole, console: true,
		errorCode: "AccessDeniedException"}
	resource := "arn:aws:athena:" + region + ":" + who.account + ":workgroup/" + notebookGroup
	e.errorText = "User: " + who.arn + " is not authorized to perform: athena:" + name + " on resource: " + resource + " because no identity-based policy allows the athena:" + name + " action"
	switch name {
	case "StartSession":
		a := sparkAsk{group: notebookGroup, role: sparkRole, book: hexUUID("denied notebook"), timeout: 20, p: person{region: region}}
		e.params = a.parameters(b.r.uuid(), who.account)
	case "CreatePresignedNotebookUrl":
		e.params = object("sessionId", hexUUID("denied session"))
	default:
		e.params = object("notebookId", hexUUID("denied notebook"))
	}
	return b.record(e)
}

// deniedNotebooks: six refusals within minutes, against a slip, and two that
// are a day apart.
func (b *builder) deniedNotebooks() {
	at := on(10, 22, 15, 0, 0)
	milo := b.atDesk("milo", at)
	var ids []string
	for i, name := range []string{"StartSession", "StartSession", "StartSession", "CreatePresignedNotebookUrl", "CreatePresignedNotebookUrl", "ExportNotebook"} {
		ids = append(ids, b.refusedNotebook(milo, US, at.Add(time.Duration(i)*35*time.Second), name))
	}
	b.finding(FindingDeniedCalls, true, milo, US, nil, "", ids...)

	kira := b.atDesk("kira", on(10, 22, 9, 0, 0))
	b.finding(FindingDeniedCalls, false, kira, EU, nil, "", b.refusedNotebook(kira, EU, on(10, 22, 9, 0, 0), "StartSession"))

	otto := b.atDesk("otto", on(10, 22, 14, 0, 0))
	ids = []string{b.refusedNotebook(otto, US, on(10, 22, 14, 0, 0), "StartSession")}
	later := b.atDesk("otto", on(10, 23, 14, 0, 0))
	ids = append(ids, b.refusedNotebook(later, US, on(10, 23, 14, 0, 0), "StartSession"))
	b.finding(FindingDeniedCalls, false, otto, US, nil, "", ids...)
}

// outside is somebody who copied an executor's credentials out of a notebook:
// they call from elsewhere, with a tool that is not in the executor, and take
// another role. The executor's own SQL is no finding.
func (b *builder) outside(theo string) {
	x := b.session(sparkAsk{p: personNamed("theo"), book: theo, at: on(10, 23, 15, 0, 0), cells: 3, terminated: true, cases: []string{"executor_credentials_copied"}})
	at := x.calculations[2].at.Add(5 * time.Minute)
	const elsewhere = "192.0.2.99"
	e := event{at: at, region: US, account: Analytics, source: athenaSource, name: "ListNotebookMetadata", identity: x.executor.identity, ip: elsewhere, agent: agentCLI,
		params: object("workGroup", notebookGroup), readOnly: true}
	ids := []string{b.record(e)}
	taken := roleSession{account: Analytics, role: "etl-operator", session: "botocore-session-1792767600", created: at.Add(time.Minute).Truncate(time.Second), key: b.r.id("ASIA", 16)}.
		caller(x.who.person, human, roleChain, x.who.answer)
	taken.lasts = chainedLength
	ids = append(ids, b.assume(x.executor, taken, US, elsewhere, agentCLI))
	b.finding(FindingExecutorOutside, true, x.executor, US, x, "", ids...)

	for _, y := range b.c.sessions {
		if slices.Contains(y.truth.Cases, "calculation_states") {
			b.finding(FindingExecutorOutside, false, y.executor, US, y, "", y.startID)
			return
		}
	}
}
