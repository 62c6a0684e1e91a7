package demo

import (
	"fmt"
	"strings"
	"time"
)

const (
	kb = 1 << 10
	mb = 1 << 20
	gb = 1 << 30
	tb = 1 << 40
)

// A statement is SQL with what is true of it.
type statement struct {
	text      string
	kind, sub string   // StatementType, SubstatementType
	database  string   // of the query's context
	reads     []string // database.table
	writes    []string
	bytes     int64 // what it scans when nothing goes wrong
	probe     bool
	node      string // of dbt
}

// growth scales what the shapes below scan, and so sets what the company spends.
const growth = 2.4

// A shape is a statement with holes: {day}, {from}, {to}, {country}, {n}.
// Names without a database belong to the first table's.
type shape struct {
	text   string
	reads  string // database.table, separated by blanks
	median float64
	spread float64
}

// shapes holds what analysts ask, by area.
var shapes = map[string][]shape{
	"sales": {
		{"SELECT country, count(*) AS orders, sum(total_amount) AS revenue\nFROM orders\nWHERE order_date BETWEEN DATE '{from}' AND DATE '{to}'\nGROUP BY country\nORDER BY revenue DESC", "sales.orders", 2.2 * gb, 1.1},
		{"SELECT o.order_id, o.customer_id, sum(i.quantity * i.unit_price) AS basket\nFROM orders o\nJOIN order_items i ON i.order_id = o.order_id\nWHERE o.order_date >= DATE '{from}' AND o.country = '{country}'\nGROUP BY 1, 2\nHAVING sum(i.quantity * i.unit_price) > {n}", "sales.orders sales.order_items", 7 * gb, 1.2},
		{"WITH first_orders AS (\n  SELECT customer_id, min(order_date) AS first_order\n  FROM sales.orders\n  GROUP BY customer_id\n)\nSELECT date_trunc('month', f.first_order) AS cohort, count(DISTINCT o.customer_id) AS active\nFROM first_orders f\nJOIN sales.orders o ON o.customer_id = f.customer_id\nGROUP BY 1\nORDER BY 1", "sales.orders", 9 * gb, 0.7},
		{"SELECT p.promotion_code, count(*) AS used, avg(o.total_amount) AS average\nFROM promotions p LEFT JOIN orders o ON o.promotion_code = p.promotion_code\nWHERE p.valid_to >= DATE '{day}'\nGROUP BY p.promotion_code LIMIT {n}", "sales.promotions sales.orders", 1.4 * gb, 1.0},
		{"SELECT reason, count(*) FROM refunds WHERE refunded_at >= timestamp '{from} 00:00:00' AND reason <> 'it''s late' GROUP BY reason", "sales.refunds", 300 * mb, 0.9},
		{"SELECT c.segment, approx_distinct(o.customer_id)\nFROM \"sales\".\"customers\" c, \"sales\".\"orders\" o\nWHERE c.customer_id = o.customer_id AND o.order_date = DATE '{day}'\nGROUP BY 1", "sales.customers sales.orders", 3 * gb, 1.0},
	},
	"web": {
		{"SELECT page_type, count(*) AS views, count(DISTINCT visitor_id) AS visitors\nFROM page_views\nWHERE dt = '{day}'\nGROUP BY page_type", "web.page_views", 6 * gb, 1.0},
		{"SELECT s.channel, avg(s.duration_seconds), count_if(s.converted) * 100e0 / count(*) AS conversion\nFROM sessions s\nWHERE s.dt BETWEEN '{from}' AND '{to}'\nGROUP BY s.channel", "web.sessions", 4 * gb, 1.1},
		{"SELECT term, count(*) AS n FROM web.searches WHERE dt >= '{from}' AND results = 0 GROUP BY term ORDER BY n DESC LIMIT {n}", "web.searches", 1.5 * gb, 0.9},
		{"SELECT v.visitor_id, o.order_id, o.total_amount\nFROM web.page_views v\nJOIN sales.orders o ON o.visitor_id = v.visitor_id AND o.order_date = CAST(v.dt AS date)\nWHERE v.dt = '{day}' AND v.page_type = 'checkout'", "web.page_views sales.orders", 12 * gb, 0.9},
		{"SELECT step, count(DISTINCT session_id)\nFROM (\n  SELECT session_id, CASE WHEN page_type = 'cart' THEN 1 WHEN page_type = 'checkout' THEN 2 ELSE 0 END AS step\n  FROM page_views WHERE dt BETWEEN '{from}' AND '{to}'\n) AS funnel\nGROUP BY step", "web.page_views", 24 * gb, 1.0},
	},
	"raw": {
		{"SELECT json_extract_scalar(payload, '$.event') AS event, count(*)\nFROM raw.app_events\nWHERE dt = '{day}' AND hour = '{n}'\nGROUP BY 1", "raw.app_events", 5 * gb, 1.1},
		{"SELECT * FROM clickstream WHERE dt = '{day}' AND user_id = '{n}' LIMIT 100", "raw.clickstream", 16 * gb, 0.8},
		{"SELECT provider, status, count(*) FROM payments_json WHERE dt >= '{from}' GROUP BY provider, status -- double check", "raw.payments_json", 2.5 * gb, 1.0},
	},
	"finance": {
		{"SELECT account_code, sum(debit) - sum(credit) AS balance\nFROM ledger\nWHERE posting_date BETWEEN DATE '{from}' AND DATE '{to}'\nGROUP BY account_code", "finance.ledger", 3 * gb, 0.9},
		{"SELECT i.invoice_id, i.amount, p.paid_at\nFROM invoices i LEFT JOIN payouts p USING (invoice_id)\nWHERE i.due_date < DATE '{day}' AND p.paid_at IS NULL", "finance.invoices finance.payouts", 1.2 * gb, 0.9},
		{"SELECT l.currency, sum(l.debit * r.rate) FROM finance.ledger l JOIN finance.fx_rates r ON r.currency = l.currency AND r.rate_date = l.posting_date GROUP BY 1", "finance.ledger finance.fx_rates", 4 * gb, 0.8},
		{"SELECT cost_center, sum(planned) AS planned FROM budget WHERE year = 2026 GROUP BY cost_center", "finance.budget", 40 * mb, 0.8},
	},
	"ml": {
		{"SELECT * FROM features_customer WHERE snapshot_date = DATE '{day}'", "ml.features_customer", 11 * gb, 0.8},
		{"SELECT t.*, s.score\nFROM ml.training_orders t TABLESAMPLE BERNOULLI (10)\nJOIN ml.scores s ON s.order_id = t.order_id\nWHERE t.split = 'train'", "ml.training_orders ml.scores", 18 * gb, 0.9},
		{"SELECT approx_percentile(score, 0.9) FROM scores WHERE model_version = 'v{n}'", "ml.scores", 2 * gb, 0.7},
	},
}

var countries = []string{"DE", "FR", "US", "NL", "ES", "PL", "SE"}

func fill(r random, text string, at time.Time) string {
	back := func(days int) string { return at.AddDate(0, 0, -days).Format(time.DateOnly) }
	to := r.between(0, 3)
	return strings.NewReplacer(
		"{day}", back(r.between(1, 4)),
		"{from}", back(to+r.between(3, 30)), "{to}", back(to),
		"{country}", pick(r, countries), "{n}", fmt.Sprint(r.between(2, 23)),
	).Replace(text)
}

func (s shape) statement(r random, at time.Time) statement {
	reads := strings.Fields(s.reads)
	database, _, _ := strings.Cut(reads[0], ".")
	return statement{
		text: fill(r, s.text, at), kind: "DML", sub: "SELECT", database: database, reads: reads,
		bytes: int64(growth * r.lognormal(s.median, s.spread)),
	}
}

// asked returns what somebody who works in areas asks: mostly a SELECT, and
// sometimes what people do beside it.
func asked(r random, areas []string, at time.Time) statement {
	area := areas[0]
	if len(areas) > 1 && r.chance(0.35) {
		area = areas[1]
	}
	s := pick(r, shapes[area]).statement(r, at)
	first := s.reads[0]
	table := first[strings.IndexByte(first, '.')+1:]
	switch x := r.Float64(); {
	case x < 0.03:
		return statement{text: "SHOW TABLES IN " + s.database, kind: "UTILITY", sub: "SHOW_TABLES", database: s.database}
	case x < 0.05:
		return statement{text: "DESCRIBE " + table, kind: "UTILITY", sub: "DESCRIBE_TABLE", database: s.database, reads: s.reads[:1]}
	case x < 0.07:
		s.text, s.kind, s.sub, s.bytes = "EXPLAIN "+s.text, "UTILITY", "EXPLAIN", 0
	case x < 0.08:
		s.text, s.kind, s.sub = "EXPLAIN ANALYZE "+s.text, "UTILITY", "EXPLAIN_ANALYZE"
	case x < 0.10:
		target := fmt.Sprintf("%s.tmp_%s_%d", s.database, table, r.between(100, 999))
		s.writes = []string{target}
		s.text = "CREATE TABLE " + target + "\nWITH (format = 'PARQUET', write_compression = 'SNAPPY') AS\n" + s.text
		s.sub = "CREATE_TABLE_AS_SELECT"
	case x < 0.11:
		target := fmt.Sprintf("%s.tmp_%s_%d", s.database, table, r.between(100, 999))
		return statement{text: "DROP TABLE IF EXISTS " + target, kind: "DDL", sub: "DROP_TABLE", database: s.database, writes: []string{target}}
	case x < 0.125:
		return statement{text: "ALTER TABLE " + table + " ADD IF NOT EXISTS PARTITION (dt = '" + at.Format(time.DateOnly) + "')", kind: "DDL", sub: "ALTER_TABLE_ADD_PARTITION", database: s.database, writes: s.reads[:1]}
	}
	return s
}

// connectionTest is what JDBC drivers send first.
func connectionTest(database string) statement {
	return statement{text: "SELECT 1", kind: "DML", sub: "SELECT", database: database, probe: true}
}

// node is one dbt model of the project shop.
type node struct {
	name  string
	reads string
	bytes float64
}

var nodes = []node{
	{"stg_orders", "raw.orders_json", 2 * gb}, {"stg_payments", "raw.payments_json", 1 * gb},
	{"stg_events", "raw.app_events", 6 * gb}, {"stg_customers", "sales.customers", 300 * mb},
	{"fct_orders", "sales.stg_orders sales.stg_payments", 1.5 * gb}, {"fct_sessions", "web.stg_events", 5 * gb},
	{"dim_customers", "sales.stg_customers sales.fct_orders", 700 * mb}, {"fct_refunds", "sales.refunds sales.fct_orders", 400 * mb},
	{"agg_daily_sales", "sales.fct_orders", 600 * mb}, {"agg_channel_revenue", "web.fct_sessions sales.fct_orders", 3 * gb},
	{"agg_customer_value", "sales.dim_customers sales.fct_orders", 900 * mb}, {"mart_marketing", "web.fct_sessions sales.promotions", 2 * gb},
}

// statements returns what dbt sends for the model: three or four queries. The
// adapter leaves its comment out of DROP.
func (n node) statements(r random) []statement {
	reads := strings.Fields(n.reads)
	database := "sales"
	if strings.HasPrefix(n.reads, "web.") {
		database = "web"
	}
	id := "model.shop." + n.name
	comment := fmt.Sprintf("-- /* {\"app\": \"dbt\", \"dbt_version\": \"1.9.4\", \"profile_name\": \"shop\", \"target_name\": \"prod\", \"node_id\": \"%s\"} */\n", id)
	target := database + "." + n.name
	var from strings.Builder
	for i, t := range reads {
		if i > 0 {
			fmt.Fprintf(&from, "\n    left join \"awsdatacatalog\".%s t%d on t%d.id = t0.id", quoted(t), i, i)
			continue
		}
		fmt.Fprintf(&from, "\"awsdatacatalog\".%s t0", quoted(t))
	}
	out := []statement{
		{text: "drop table if exists `" + database + "`.`" + n.name + "__tmp`", kind: "DDL", sub: "DROP_TABLE", database: database, writes: []string{target + "__tmp"}, node: id},
		{text: comment + "create table \"awsdatacatalog\".\"" + database + "\".\"" + n.name + "__tmp\"\n  with (\n    table_type='hive',\n    format='parquet'\n  )\n  as\n    select t0.*\n    from " + from.String(),
			kind: "DML", sub: "CREATE_TABLE_AS_SELECT", database: database, reads: reads, writes: []string{target + "__tmp"}, bytes: int64(r.lognormal(n.bytes, 0.3)), node: id},
		{text: comment + "insert into " + quoted(target) + "\nselect * from " + quoted(target+"__tmp"), kind: "DML", sub: "INSERT", database: database,
			reads: []string{target + "__tmp"}, writes: []string{target}, bytes: int64(r.lognormal(n.bytes/8, 0.3)), node: id},
	}
	if r.chance(0.7) {
		test := "test.shop.unique_" + n.name + "_id"
		out = append(out, statement{text: strings.Replace(comment, id, test, 1) + "select count(*) as failures from (select id from " + quoted(target) + " group by id having count(*) > 1) dbt_internal_test",
			kind: "DML", sub: "SELECT", database: database, reads: []string{target}, bytes: int64(r.lognormal(n.bytes/20, 0.3)), node: test})
	}
	return out
}

func quoted(table string) string {
	return `"` + strings.Replace(table, ".", `"."`, 1) + `"`
}
