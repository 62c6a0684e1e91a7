package demo

import (
	"crypto/sha1"
	"fmt"
	"time"
)

// Pipelines: nobody sits in front of them.

func dbt(b *builder, day time.Time, n int) {
	const perRun = 42
	runs := max(1, (n+perRun/2)/perRun)
	for i := range runs {
		at := day.Add(2*time.Hour + 10*time.Minute + time.Duration(i)*20*time.Hour/time.Duration(runs))
		who := bot(roleSession{account: Analytics, role: "dbt-runner", session: b.r.hex(32), created: at.Add(-time.Minute), key: b.r.id("ASIA", 16)}, "dbt")
		b.issued(who, "ecs-tasks.amazonaws.com", US)
		for left := n / runs; left > 0; {
			for _, m := range nodes {
				for _, s := range m.statements(b.r) {
					if left--; left < 0 {
						break
					}
					at = at.Add(time.Duration(b.r.between(2, 25)) * time.Second)
					a := ask{at: at, region: US, who: who, team: "platform", tool: "dbt", toolDetail: s.node, ip: "198.51.100.41", agent: agentDBT, group: "etl", stmt: s, polls: 2}
					if b.r.chance(0.01) {
						a.fail = b.failure(s)
					}
					b.start(a)
				}
			}
		}
	}
}

func airflow(b *builder, day time.Time, n int) {
	who := bot(roleSession{account: Analytics, role: "airflow-worker", session: "i-0a1b2c3d4e5f60789", created: day, key: b.r.id("ASIA", 16), ec2: true}, "airflow")
	b.issued(who, "ec2.amazonaws.com", EU)
	key := dagRunKey("web_hourly")
	for i, at := range b.spread(day, 4*time.Minute, n) {
		table := pick(b.r, []string{"page_views", "sessions", "searches"})
		s := statement{
			text: fmt.Sprintf("INSERT INTO web.%s\nSELECT json_extract_scalar(e.payload, '$.visitor') AS visitor_id, e.dt\nFROM raw.app_events e\nWHERE e.dt = '%s' AND e.hour = '%02d'", table, at.Format(time.DateOnly), at.Hour()),
			kind: "DML", sub: "INSERT", database: "web", reads: []string{"raw.app_events"}, writes: []string{"web." + table}, bytes: int64(b.r.lognormal(2*gb, 0.5)),
		}
		if i%12 == 11 {
			s = statement{text: "MSCK REPAIR TABLE raw.app_events", kind: "DDL", sub: "MSCK_REPAIR_TABLE", database: "raw", writes: []string{"raw.app_events"}}
		}
		a := ask{at: at, region: EU, who: who, team: "platform", tool: "airflow", toolDetail: key, ip: "198.51.100.42", group: "etl", stmt: s, polls: 3,
			agent: agentAirflow + key}
		if b.r.chance(0.02) {
			a.fail = b.failure(s)
		}
		b.start(a)
	}
}

func glueJob(b *builder, day time.Time, n int) {
	for _, at := range b.spread(day, 15*time.Minute, n) {
		created := at.Add(-2 * time.Minute)
		who := bot(roleSession{account: Analytics, path: "service-role/", role: "glue-sales-etl", session: "GlueJobRunnerSession", created: created, key: b.r.id("ASIA", 16)}, "glue")
		b.issued(who, "glue.amazonaws.com", US)
		s := statement{
			text: fmt.Sprintf("UNLOAD (SELECT * FROM raw.orders_json WHERE dt = '%s' AND hour = '%02d')\nTO 's3://example-store-lake/exports/%s/' WITH (format = 'PARQUET')", at.Format(time.DateOnly), at.Hour(), b.r.hex(8)),
			kind: "DML", sub: "UNLOAD", database: "raw", reads: []string{"raw.orders_json"}, bytes: int64(b.r.lognormal(1.2*gb, 0.5)),
		}
		b.start(ask{at: at, region: US, who: who, team: "platform", tool: "glue", ip: "198.51.100.43", agent: agentBoto, group: "etl", stmt: s, polls: 2})
	}
}

func freshness(b *builder, day time.Time, n int) {
	function := "arn:aws:lambda:" + US + ":" + Analytics + ":function:freshness-check"
	who := bot(roleSession{account: Analytics, role: "lambda-freshness-check", session: "freshness-check", created: day, key: b.r.id("ASIA", 16), inScopeOf: function}, "lambda")
	b.issued(who, "lambda.amazonaws.com", US)
	for _, at := range b.spread(day, 7*time.Minute, n) {
		s := statement{text: "SELECT max(order_date) FROM sales.orders", kind: "DML", sub: "SELECT", database: "sales", reads: []string{"sales.orders"}, bytes: int64(b.r.between(200_000, 4_000_000))}
		b.start(ask{at: at, region: US, who: who, team: "platform", tool: "lambda", toolDetail: "freshness-check", ip: "198.51.100.44", agent: agentLambda, group: "primary", stmt: s, polls: 2, read: true})
	}
}

// dailyClose runs as a state machine. Its first role assumes another, so that
// the chain of role sessions ends at a service and names nobody.
func dailyClose(b *builder, day time.Time, n int) {
	at := day.Add(3*time.Hour + 30*time.Minute)
	machine := bot(roleSession{account: Finance, role: "sfn-daily-close", session: b.r.hex(32), created: at.Add(-2 * time.Minute), key: b.r.id("ASIA", 16), invokedBy: "states.amazonaws.com"}, "step functions")
	b.issued(machine, "states.amazonaws.com", US)
	var writer *caller
	for i := range n {
		at = at.Add(time.Duration(b.r.between(30, 300)) * time.Second)
		a := ask{at: at, region: US, who: machine, team: "finance", tool: "step-functions", ip: "states.amazonaws.com", agent: "states.amazonaws.com", group: "finance-close", polls: 1,
			stmt: shapes["finance"][i%2].statement(b.r, at)}
		switch i % 4 {
		case 1:
			a.stmt.text = "CREATE TABLE finance.close_" + at.Format("20060102") + fmt.Sprintf("_%d", i) + " WITH (format = 'PARQUET') AS\n" + a.stmt.text
			a.stmt.sub, a.stmt.writes = "CREATE_TABLE_AS_SELECT", []string{"finance.close_" + at.Format("20060102") + fmt.Sprintf("_%d", i)}
		case 2:
			if writer == nil || at.Sub(writer.created) > chainedLength-10*time.Minute {
				writer = bot(roleSession{account: Finance, role: "close-writer", session: fmt.Sprintf("botocore-session-%d", at.Unix()), created: at.Add(-20 * time.Second), key: b.r.id("ASIA", 16)}, "step functions")
				writer.lasts = chainedLength
				b.assume(machine, writer, US, "198.51.100.45", agentLambda)
			}
			a.who, a.tool, a.ip, a.agent, a.cases = writer, "lambda", "198.51.100.45", agentLambda, []string{"service_chain"}
			a.stmt = statement{text: "INSERT INTO finance.ledger_archive SELECT * FROM finance.ledger WHERE posting_date = DATE '" + at.Format(time.DateOnly) + "'",
				kind: "DML", sub: "INSERT", database: "finance", reads: []string{"finance.ledger"}, writes: []string{"finance.ledger_archive"}, bytes: int64(b.r.lognormal(900*mb, 0.4))}
		}
		b.start(a)
	}
}

// reserved is the finance team's month end on a capacity reservation.
func reserved(b *builder, day time.Time, n int) {
	p := personNamed("paul")
	moments := b.moments(p.office, day, n)
	who := p.caller(b.r, moments[0].Add(-5*time.Minute))
	b.signIn(p, who, moments[0].Add(-5*time.Minute), "203.0.113.26")
	for _, at := range moments {
		s := pick(b.r, shapes["finance"]).statement(b.r, at)
		s.bytes *= 6
		a := ask{at: at, region: US, who: who, team: p.team, tool: "console", ip: "203.0.113.26", agent: agentConsole, group: "finance-reserved", stmt: s,
			polls: 2, read: true, dpus: float64(pick(b.r, []int{4, 8, 16})), cases: []string{"capacity"}}
		if b.r.chance(0.05) {
			a.fail = b.failure(s)
		}
		b.start(a)
	}
}

// agentAirflow is what Airflow's Amazon provider adds to the SDK's agent.
const agentAirflow = agentBoto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/"

// dagRunKey returns what Airflow sends for a DAG: in spite of the name, a UUID
// of the DAG's id, version 5 in the namespace of object ids.
func dagRunKey(dag string) string {
	namespace := []byte{0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(namespace, dag...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func hexUUID(of string) string {
	h := hexOf(of)
	return h[:8] + "-" + h[8:12] + "-5" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}
