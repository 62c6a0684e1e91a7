package demo

import (
	"fmt"
	"strings"
	"time"
)

// User agents as the tools send them.
// jdbcClient is what people connect with who use the JDBC driver.
const jdbcClient = "SqlWorkbench"

const (
	agentConsole  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
	agentCLI      = "aws-cli/2.31.5 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0-45-generic md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/C,Z,E cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#athena.start-query-execution"
	agentJDBC     = "aws-sdk-java/2.33.8 ua/2.1 os/Linux#5.15 lang/java#21.0.4 md/OpenJDK_64-Bit_Server_VM athena-driver-jdbc/3.6.0 app/" + jdbcClient
	agentWrangler = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython awswrangler/3.13.0"
	agentPyAthena = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython PyAthena/3.17.1"
	agentDBT      = agentPyAthena + " dbt-athena/1.9.5"
	agentBoto     = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#5.10.240-238.959.amzn2.x86_64 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython"
	agentLambda   = agentBoto + " exec-env/AWS_Lambda_python3.12"
	agentMetabase = "aws-sdk-java/2.33.8 ua/2.1 os/Linux#6.1 lang/java#21.0.4 md/OpenJDK_64-Bit_Server_VM athena-driver-jdbc/3.6.0 app/Metabase"
	agentLooker   = "aws-sdk-java/2.33.8 ua/2.1 os/Linux#6.1 lang/java#17.0.12 md/OpenJDK_64-Bit_Server_VM athena-driver-jdbc/3.5.1 app/Looker"
	agentGo       = "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#amd64 api/athena#1.55.6"
)

func address(r random) string { return fmt.Sprintf("203.0.113.%d", r.between(2, 250)) }

// work is a day of a person.
func (p person) work(b *builder, day time.Time, n int) {
	var who *caller
	var until time.Time
	ip := address(b.r)
	for _, at := range b.moments(p.office, day, n) {
		a := ask{at: at, region: p.region, team: p.team, tool: p.through, ip: ip, group: p.group}
		if p.through == "jdbc" {
			a.toolDetail = jdbcClient
		}
		if at.After(until) {
			// A login lasts some hours; a driver tests its new connection.
			signedIn := at.Add(-time.Duration(b.r.between(20, 600)) * time.Second)
			who = p.caller(b.r, signedIn)
			until = at.Add(4 * time.Hour)
			b.signIn(p, who, signedIn, ip)
			if p.through == "jdbc" {
				probe := a
				probe.who, probe.agent, probe.stmt = who, agentJDBC, connectionTest(p.areas[0])
				probe.at = at.Add(-2 * time.Second)
				b.start(probe)
			}
		}
		a.who, a.stmt = who, asked(b.r, p.areas, at)
		switch p.through {
		case "console":
			a.agent, a.polls, a.read = agentConsole, b.r.between(1, 4), true
		case "jdbc":
			a.agent, a.polls, a.read, a.endpoint = agentJDBC, 1, true, "vpce-0a1b2c3d4e5f60718"
		case "awswrangler":
			a.agent, a.polls, a.read = agentWrangler, b.r.between(1, 3), false
		case "aws-cli":
			a.agent, a.polls, a.read = agentCLI, 1, b.r.chance(0.5)
		}
		b.mishap(&a, 0.05)
		b.start(a)
	}
}

// mishap makes some of a person's starts go wrong.
func (b *builder) mishap(a *ask, p float64) {
	switch x := b.r.Float64(); {
	case x < p:
		a.fail = b.failure(a.stmt)
	case x < p+0.02:
		a.cancel = time.Duration(b.r.between(1500, 9000)) * time.Millisecond
	case x < p+0.03:
		a.refuse = &refusal{"InvalidRequestException", "line 1:15: mismatched input '<EOF>'. Expecting: <expression>"}
	case x < p+0.035:
		a.refuse = &refusal{"TooManyRequestsException", "You have exceeded the limit for the number of queries you can run concurrently. Reduce the number of concurrent queries submitted by this account."}
	case x < p+0.04:
		a.refuse = denied(a.who, a.region, "finance-close", a.stmt.kind == "DDL")
	}
}

// denied is AWS's refusal in its newer form, or in its older one.
func denied(who *caller, region, group string, older bool) *refusal {
	resource := "arn:aws:athena:" + region + ":" + who.account + ":workgroup/" + group
	if older {
		return &refusal{"AccessDenied", "You are not authorized to perform: athena:StartQueryExecution on the resource. After your AWS administrator or you have updated your permissions, please try again."}
	}
	return &refusal{"AccessDeniedException", "User: " + who.arn + " is not authorized to perform: athena:StartQueryExecution on resource: " + resource + " because no identity-based policy allows the athena:StartQueryExecution action"}
}

// The people with keys of IAM users.
func tomas(b *builder, day time.Time, n int) {
	who := user(Finance, "tomas", "AKIADEMOTOMASEXAMPLE", "tomas", human, iamUser)
	b.each(b.moments(boston, day, n), ask{region: US, who: who, team: "finance", tool: "aws-cli", ip: "203.0.113.20", agent: agentCLI, group: "primary", polls: 1}, "finance")
}

func wanda(b *builder, day time.Time, n int) {
	who := user(Analytics, "wanda", "AKIADEMOWANDAEXAMPLE", "wanda", human, iamUser)
	b.each(b.moments(berlin, day, n), ask{region: EU, who: who, team: "platform", tool: "pyathena", ip: "203.0.113.21", agent: agentPyAthena, group: "platform", polls: 1, read: true}, "raw", "web")
}

func (b *builder) each(moments []time.Time, like ask, areas ...string) {
	for _, at := range moments {
		a := like
		a.at, a.stmt = at, asked(b.r, areas, at)
		b.mishap(&a, 0.04)
		b.start(a)
	}
}

// felix works through a role that demands a source identity.
func felix(b *builder, day time.Time, n int) {
	moments := b.moments(berlin, day, n)
	created := moments[0].Add(-15 * time.Minute)
	who := roleSession{account: Analytics, role: "DataPlatformAdmin", session: fmt.Sprintf("botocore-session-%d", created.Unix()),
		key: b.r.id("ASIA", 16), created: created, sourceIdentity: "felix@example.com", mfa: true,
	}.caller("felix@example.com", human, sourceIdentity, "felix@example.com")
	b.each(moments, ask{region: EU, who: who, team: "platform", tool: "aws-cli", ip: "203.0.113.22", agent: agentCLI, group: "platform", polls: 1}, "raw", "sales")
}

// chained is olga at the finance account: from her own session through an
// operator role to a reader role there, both named by the SDK.
func chained(b *builder, day time.Time, n int) {
	const ip = "203.0.113.23"
	p := personNamed("olga")
	var own, reader *caller
	for _, at := range b.moments(berlin, day, n) {
		if own == nil {
			signedIn := at.Add(-10 * time.Minute)
			own = p.caller(b.r, signedIn)
			b.signIn(p, own, signedIn, ip)
		}
		if reader == nil || at.Sub(reader.created) > chainedLength-10*time.Minute {
			from := at.Add(-2 * time.Minute)
			operator := p.chain(b.r, Analytics, "etl-operator", from)
			operator.lasts = chainedLength
			reader = p.chain(b.r, Finance, "finance-reader", from.Add(time.Minute))
			reader.lasts = chainedLength
			b.assume(own, operator, EU, ip, agentCLI)
			b.assume(operator, reader, EU, ip, agentBoto)
		}
		a := ask{at: at, region: EU, who: reader, team: p.team, tool: "boto3", ip: ip, agent: agentBoto, group: "finance",
			stmt: asked(b.r, []string{"finance"}, at), polls: 2, cases: []string{"role_chain"}}
		b.mishap(&a, 0.04)
		b.start(a)
	}
}

// chain is a session of a role that the person reached through another one.
func (p person) chain(r random, account, role string, at time.Time) *caller {
	return roleSession{account: account, role: role, session: fmt.Sprintf("botocore-session-%d", at.Unix()),
		key: r.id("ASIA", 16), created: at}.caller(p.email(), human, roleChain, p.email())
}

// uma comes through SAML, and the session's name is a number.
func uma(b *builder, day time.Time, n int) {
	moments := b.moments(berlin, day, n)
	created := moments[0].Add(-12 * time.Minute)
	who := roleSession{account: Finance, role: "ExternalAuditor", session: fmt.Sprint(1_000_000 + created.Unix()%1_000_000),
		key: b.r.id("ASIA", 16), created: created}.caller("uma@example.com", human, roleChain, "uma@example.com")
	b.saml(who, "uma@example.com", created, "203.0.113.24")
	b.each(moments, ask{region: EU, who: who, team: "audit", tool: "jdbc", toolDetail: jdbcClient, ip: "203.0.113.24", agent: agentJDBC, group: "audit", polls: 1, read: true, cases: []string{"saml_chain"}}, "finance")
}

// acme is a partner's analyst with a federated user's keys.
func acme(b *builder, day time.Time, n int) {
	moments := b.moments(berlin, day, n)
	created := moments[0].Add(-9 * time.Minute)
	who := federated(Analytics, "acme-analyst", "partner-broker", b.r.id("ASIA", 16), created)
	b.federate(who, "acme-analyst", "203.0.113.25")
	b.each(moments, ask{region: US, who: who, team: "partners", tool: "jdbc", toolDetail: jdbcClient, ip: "203.0.113.25", agent: agentJDBC, group: "partners", polls: 1, read: true, cases: []string{"federated_user"}}, "sales")
}

// mcp is an AI agent that milo lets ask, through AWS's MCP server.
func mcp(b *builder, day time.Time, n int) {
	p := personNamed("milo")
	for _, at := range b.moments(boston, day, n) {
		who := roleSession{account: p.account, path: "aws-reserved/sso.amazonaws.com/" + EU + "/", role: "AWSReservedSSO_" + p.set + "_" + strings.ToLower(hexOf(p.account + p.set))[:16],
			session: p.email(), created: at.Add(-time.Minute), key: b.r.id("ASIA", 16), invokedBy: "aws-mcp.amazonaws.com"}.caller(p.email(), agent, ssoSession, p.email())
		who.mcp = true
		a := ask{at: at, region: p.region, who: who, team: p.team, tool: "ai-agent", ip: "aws-mcp.amazonaws.com", agent: "aws-mcp.amazonaws.com", group: p.group,
			stmt: asked(b.r, p.areas, at), polls: 2, read: true, cases: []string{"agent"}}
		b.mishap(&a, 0.12)
		b.start(a)
	}
}

// bot returns a service's session of a role.
func bot(s roleSession, name string) *caller { return s.caller(name, service, roleRung, s.role) }

// BI tools share a role or a key and write who asked into the SQL.
func redash(b *builder, day time.Time, n int) {
	who := bot(roleSession{account: Analytics, role: "bi-redash", session: "redash", created: day, key: b.r.id("ASIA", 16)}, "redash")
	b.issued(who, "ec2.amazonaws.com", US)
	users := []string{"bea@example.com", "samir@example.com", "ines@example.com"}
	for _, at := range b.moments(boston, day, n) {
		s := pick(b.r, shapes[pick(b.r, []string{"sales", "web"})]).statement(b.r, at)
		s.bytes /= 3
		by, scheduled := *who, "False"
		email := pick(b.r, users)
		if b.r.chance(0.25) {
			scheduled = "True"
		}
		s.text = fmt.Sprintf("/* Username: %s, query_id: %d, Queue: queries, Job ID: %s, Query Hash: %s, Scheduled: %s */ %s", email, b.r.between(3, 90), b.r.uuid(), b.r.hex(32), scheduled, s.text)
		by.person, by.kind, by.rung, by.answer = email, human, queryComment, email
		a := ask{at: at, region: US, who: &by, team: "bi", tool: "redash", ip: "198.51.100.31", agent: agentPyAthena, group: "bi", stmt: s, polls: 2, read: true}
		b.tired(&a)
		b.start(a)
	}
}

// tired is how the starts of dashboards go wrong, or need no scan.
func (b *builder) tired(a *ask) {
	a.reuse = true
	switch x := b.r.Float64(); {
	case x < 0.15:
		a.reused = true
	case x < 0.18:
		a.fail = b.failure(a.stmt)
	}
}

var metabaseUsers = map[int]string{3: "bea@example.com", 7: "otto@example.com", 12: "paul@example.com"}

func metabase(b *builder, day time.Time, n int) {
	key := user(Analytics, "svc-metabase", "AKIADEMOMETABASEXAMP", "metabase", service, iamUser)
	for i, at := range b.moments(boston, day, n) {
		a := ask{at: at, region: US, who: key, team: "bi", tool: "metabase", ip: "198.51.100.32", agent: agentMetabase, group: "bi", polls: 1, read: true}
		if i%6 == 0 {
			a.stmt = connectionTest("sales")
			b.start(a)
			continue
		}
		a.stmt = pick(b.r, shapes["sales"]).statement(b.r, at)
		a.stmt.bytes /= 4
		id := pick(b.r, []int{3, 7, 12})
		a.stmt.text = fmt.Sprintf("-- Metabase:: userID: %d queryType: %s queryHash: %s\n%s", id, pick(b.r, []string{"MBQL", "native"}), b.r.hex(64), a.stmt.text)
		by := *key
		by.person, by.kind, by.rung, by.answer = metabaseUsers[id], human, queryComment, fmt.Sprintf("metabase:%d", id)
		a.who = &by
		b.tired(&a)
		b.start(a)
	}
}

var lookerUsers = map[int]string{6: "ines@example.com", 14: "otto@example.com"}

func looker(b *builder, day time.Time, n int) {
	who := bot(roleSession{account: Analytics, role: "bi-looker", session: "looker", created: day, key: b.r.id("ASIA", 16)}, "looker")
	for _, at := range b.moments(boston, day, n) {
		s := pick(b.r, shapes["web"]).statement(b.r, at)
		s.bytes /= 5
		id := pick(b.r, []int{6, 14})
		s.text = fmt.Sprintf("-- Looker Query Context '{\"user_id\":%d,\"history_slug\":\"%s\",\"instance_slug\":\"%s\"}' \n%s", id, b.r.hex(32), hexOf("looker")[:32], s.text)
		by := *who
		by.person, by.kind, by.rung, by.answer = lookerUsers[id], human, queryComment, fmt.Sprintf("looker:%d", id)
		a := ask{at: at, region: US, who: &by, team: "bi", tool: "looker", ip: "198.51.100.33", agent: agentLooker, group: "bi", stmt: s, polls: 1, read: true}
		b.tired(&a)
		b.start(a)
	}
}

func quicksight(b *builder, day time.Time, n int) {
	for _, at := range b.spread(day, 30*time.Minute, n) {
		created := at.Add(-5 * time.Second)
		who := bot(roleSession{account: Analytics, path: "service-role/", role: "aws-quicksight-service-role-v0", session: fmt.Sprintf("QuickSight-RoleSession-%d", created.UnixMilli()),
			created: created, key: b.r.id("ASIA", 16), invokedBy: "quicksight.amazonaws.com"}, "quicksight")
		b.issued(who, "quicksight.amazonaws.com", EU)
		s := pick(b.r, shapes["web"]).statement(b.r, at)
		s.bytes /= 6
		s.text = "/* QuickSight " + b.r.uuid() + " */\n" + s.text
		b.start(ask{at: at, region: EU, who: who, team: "bi", tool: "quicksight", ip: "quicksight.amazonaws.com", agent: "quicksight.amazonaws.com", group: "primary", stmt: s, polls: 1, read: true})
	}
}
