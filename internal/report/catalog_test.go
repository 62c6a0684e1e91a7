package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// answered is an answer of a catalog so many days before the window's end.
func answered(days int, account, region, kind, id, answer string) athenatrail.Reference {
	home := athenatrail.Partition{Date: athenatrail.DateOf(weekEnd) - athenatrail.Date(days), Account: account, Region: region}
	return athenatrail.Reference{Home: home, Kind: kind, ID: id, Answer: answer}
}

// daysAgo is an execution so many days before the window's end.
func daysAgo(n, days int, who, table string, set func(*athenatrail.QueryExecution)) athenatrail.QueryExecution {
	e := execution(n, weekEnd.AddDate(0, 0, -days), who, 100, 5)
	e.TablesAccessed = []string{"awsdatacatalog.sales." + table}
	if set != nil {
		set(&e)
	}
	return e
}

func writes(e *athenatrail.QueryExecution) { e.TablesWritten = e.TablesAccessed }

func drops(e *athenatrail.QueryExecution) {
	e.TablesWritten, e.SubstatementType, e.StatementType = e.TablesAccessed, "DROP_TABLE", "DDL"
}

func TestUnusedTablesOfTheCatalog(t *testing.T) {
	const eu = "eu-west-1"
	table := func(days int, account, region, name, answer string) athenatrail.Reference {
		return answered(days, account, region, athenatrail.KindTable, "awsdatacatalog.sales."+name, answer)
	}
	l := &lakeDir{t: t,
		executions: []athenatrail.QueryExecution{
			daysAgo(1, 60, "alice", "old", nil), daysAgo(2, 1, "alice", "read", nil), daysAgo(3, 50, "alice", "gone", nil), daysAgo(4, 50, "alice", "gone_and_back", nil),
			daysAgo(5, 2, "etl", "gone_and_back", writes), daysAgo(6, 3, "etl", "dropped", drops), daysAgo(7, 9, "etl", "dropped_before", drops),
			daysAgo(8, 55, "alice", "only_sql", nil), daysAgo(9, 1, "alice", "read_by_file", nil), daysAgo(10, 40, "alice", "by_file", nil),
		},
		catalog: []athenatrail.Reference{
			table(90, accountA, eu, "old", `{"Bytes":5,"Format":"csv","From":"glue","Type":"table"}`),
			table(80, accountA, eu, "old", `{"Bytes":7000000000,"Created":"2025-01-02T03:04:05Z","Format":"parquet","From":"glue","Type":"table","Updated":"2026-11-01T00:00:00Z"}`),
			table(-30, accountA, eu, "old", `{"Bytes":9,"Format":"orc","From":"glue","Type":"table"}`), // after the window
			table(90, accountA, eu, "read", `{"From":"glue","Type":"table"}`),
			table(90, accountA, eu, "gone", `{"From":"glue","Type":"table"}`), table(20, accountA, eu, "gone", `{"From":"glue","Gone":true}`),
			table(20, accountA, eu, "gone_and_back", `{"From":"glue","Gone":true}`),
			table(10, accountA, eu, "dropped", `{"From":"glue","Type":"table"}`),
			table(2, accountA, eu, "dropped_before", `{"From":"glue","Type":"view"}`),
			table(90, accountA, eu, "never", `{"Bytes":80,"From":"glue","Type":"table"}`),
			table(90, accountA, eu, "never_but_gone", `{"From":"glue","Type":"table"}`), table(9, accountA, eu, "never_but_gone", `{"From":"glue","Gone":true}`),
			table(90, accountA, "us-east-1", "read", `{"Created":"2026-10-30T00:00:00Z","From":"glue","Type":"table"}`), // another table
			table(-1, accountA, eu, "of_today", `{"Created":"2026-11-09T00:00:00Z","From":"glue","Type":"table"}`),
			table(90, "unknown", "unknown", "read_by_file", `{"From":"file","Type":"table"}`), table(90, "unknown", "unknown", "by_file", `{"Format":"json","From":"file","Type":"table"}`),
			table(90, "unknown", "unknown", "nowhere", `{"From":"file","Type":"table"}`),
			{Home: athenatrail.Partition{Date: athenatrail.DateOf(weekEnd), Account: accountA, Region: eu}, Kind: athenatrail.KindTable, ID: "awsdatacatalog.sales.not_json", Answer: "{"},
		}}
	d := open(t, l.write(), Options{})
	var got []string
	for _, r := range answer(t, d, "unused", week) {
		got = append(got, fmt.Sprintf("%s in %v %v from %v, unread %v, %v %v %v", strings.TrimPrefix(r["table_name"].(string), "awsdatacatalog.sales."),
			r["account_id"], r["region_name"], r["known_from"], r["days_unread"], r["table_type"], r["table_format"], r["table_bytes"]))
	}
	want := []string{
		"gone_and_back in 111122223333 eu-west-1 from statements, unread 50, <nil> <nil> <nil>",
		"old in 111122223333 eu-west-1 from both, unread 60, table parquet 7000000000",
		"never in 111122223333 eu-west-1 from catalog, unread 60, table <nil> 80",
		"not_json in 111122223333 eu-west-1 from catalog, unread 60, <nil> <nil> <nil>",
		"nowhere in <nil> <nil> from catalog, unread 60, table <nil> <nil>",
		"only_sql in 111122223333 eu-west-1 from statements, unread 55, <nil> <nil> <nil>",
		"by_file in 111122223333 eu-west-1 from both, unread 40, table json <nil>",
		"dropped_before in 111122223333 eu-west-1 from both, unread 9, view <nil> <nil>",
		"read in 111122223333 us-east-1 from catalog, unread 9, table <nil> <nil>",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(- is wanted):\n%s", diff)
	}
	p := week
	p.Where = []Condition{{Column: "known_from", Value: "catalog"}, {Column: "table_type", Not: true, Value: "table"}}
	if rows := answer(t, d, "unused", p); len(rows) != 1 || rows[0]["table_name"] != "awsdatacatalog.sales.not_json" {
		t.Errorf("%v", rows)
	}
	r := answer(t, open(t, l.write(), Options{}), "unused", Params{From: weekEnd.AddDate(0, 0, -20), To: weekEnd.AddDate(0, 0, 40)})
	for _, row := range r {
		if row["table_name"] == "awsdatacatalog.sales.old" && row["table_format"] != "orc" {
			t.Errorf("a later window has an earlier answer: %v", row)
		}
	}
	if at := answer(t, d, "unused", week)[1]; at["created_at"] != time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC) || at["updated_at"] != time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("%v", at)
	}
}

func TestUnusedAccess(t *testing.T) {
	const eu = "eu-west-1"
	grant := func(days int, account, region, principal, scope, resource, permissions, more string) athenatrail.Reference {
		resource = "awsdatacatalog.sales." + resource
		return answered(days, account, region, athenatrail.KindGrant, principal+" "+scope+" "+resource,
			fmt.Sprintf(`{"From":"lake_formation",%s"Permissions":[%s],"Principal":%q,"Resource":%q,"Scope":%q}`, more, permissions, principal, resource, scope))
	}
	role := func(account, name string) func(*athenatrail.QueryExecution) {
		return func(e *athenatrail.QueryExecution) {
			e.PrincipalType, e.RoleName, e.RoleSessionName = "AssumedRole", name, e.Person
			e.PrincipalARN = "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + e.Person
		}
	}
	user := func(e *athenatrail.QueryExecution) {
		e.PrincipalType, e.PrincipalARN = "IAMUser", "arn:aws:iam::"+accountA+":user/team/"+e.Person
	}
	const iam = "arn:aws:iam::" + accountA + ":"
	sel := `"SELECT"`
	l := &lakeDir{t: t,
		executions: []athenatrail.QueryExecution{
			daysAgo(1, 1, "alice", "orders", role(accountA, "analyst")), daysAgo(2, 30, "bob", "ledger", role(accountA, "analyst")),
			daysAgo(3, 20, "carol", "ledger", role(accountA, "analyst")), daysAgo(4, 2, "etl", "ledger", func(e *athenatrail.QueryExecution) { role(accountA, "writer")(e); writes(e) }),
			daysAgo(5, 1, "dora", "orders", user), daysAgo(6, 9, "dora", "ledger", user),
			daysAgo(7, 1, "alice", "orders", role(accountB, "guest")), // a role of another account
			daysAgo(8, 3, "emil", "orders", func(e *athenatrail.QueryExecution) { e.IdentityCenterUserID = "u-1" }),
		},
		catalog: []athenatrail.Reference{
			grant(90, accountA, eu, iam+"role/path/analyst", "table", "orders", sel, ""), // reads it
			grant(90, accountA, eu, iam+"role/path/analyst", "table", "ledger", `"DESCRIBE","SELECT"`, `"Grantable":["SELECT"],`),
			grant(90, accountA, eu, iam+"role/path/analyst", "tables", "*", sel, ""),                 // reads one of them
			grant(90, accountA, eu, iam+"role/path/analyst", "table", "described", `"DESCRIBE"`, ""), // no access to rows
			grant(90, accountA, eu, iam+"role/path/analyst", "database", "*", `"ALL"`, ""),
			grant(90, accountA, eu, iam+"role/never", "table", "orders", `"ALL"`, ""),
			grant(90, accountA, eu, iam+"role/writer", "table", "ledger", `"INSERT","SELECT"`, ""),
			grant(90, accountA, eu, iam+"role/guest", "table", "orders", sel, ""), // of the same name, in another account
			grant(90, accountA, eu, "arn:aws:iam::"+accountB+":role/guest", "table", "orders", sel, ""),
			grant(90, accountA, eu, iam+"user/team/dora", "table", "orders", sel, ""),
			grant(90, accountA, eu, iam+"user/team/dora", "table", "ledger", sel, ""),
			grant(90, "unknown", "unknown", "arn:aws:identitystore:::user/u-1", "table", "orders", sel, ""),
			grant(90, "unknown", "unknown", "arn:aws:identitystore:::user/u-2", "table", "orders", sel, ""),
			grant(90, accountA, eu, "IAM_ALLOWED_PRINCIPALS", "table", "orders", `"ALL"`, ""), // somebody reads it
			grant(90, accountA, eu, "IAM_ALLOWED_PRINCIPALS", "table", "ledger", `"ALL"`, ""), // nobody did this week
			grant(90, accountA, "us-east-1", "IAM_ALLOWED_PRINCIPALS", "table", "orders", `"ALL"`, ""),
			grant(90, accountA, eu, iam+"saml-provider/x:group/auditors", "tables", "*", sel, ""),
			grant(90, accountA, eu, iam+"role/taken_back", "table", "orders", sel, ""), grant(5, accountA, eu, iam+"role/taken_back", "table", "orders", sel, `"Gone":true,`),
		}}
	d := open(t, l.write(), Options{})
	var got []string
	for _, r := range answer(t, d, "unused-access", week) {
		got = append(got, fmt.Sprintf("%v %v on %s %v: %v, grants %v, unread %v, by %v, seen %v, people %v %v, readers %v", r["holder"], r["holder_name"],
			strings.TrimPrefix(r["table_name"].(string), "awsdatacatalog.sales."), r["region_name"], r["permissions"], r["may_grant"], r["days_unread"], r["matched_by"], r["last_used"] != nil, r["people"], r["last_person"], r["readers"]))
	}
	want := []string{
		"role writer on ledger eu-west-1: INSERT, SELECT, grants false, unread <nil>, by role, seen true, people 1 etl, readers 0",
		"everybody IAM_ALLOWED_PRINCIPALS on orders us-east-1: ALL, grants false, unread <nil>, by any read, seen false, people 0 <nil>, readers 0",
		"role guest on orders eu-west-1: SELECT, grants false, unread <nil>, by role, seen false, people 0 <nil>, readers 3",
		"role never on orders eu-west-1: ALL, grants false, unread <nil>, by role, seen false, people 0 <nil>, readers 3",
		"identity_center_user u-2 on orders <nil>: SELECT, grants false, unread <nil>, by user id, seen false, people 0 <nil>, readers 3",
		"role analyst on ledger eu-west-1: DESCRIBE, SELECT, grants true, unread 20, by role, seen true, people 3 alice, readers 0",
		"everybody IAM_ALLOWED_PRINCIPALS on ledger eu-west-1: ALL, grants false, unread 9, by any read, seen false, people 0 <nil>, readers 0",
		"user dora on ledger eu-west-1: SELECT, grants false, unread 9, by user, seen true, people 1 dora, readers 0",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(- is wanted):\n%s", diff)
	}
	p := week
	p.Where = []Condition{{Column: "holder", Value: "user"}}
	if rows := answer(t, d, "unused-access", p); len(rows) != 1 {
		t.Errorf("%v", rows)
	}
	if rows := answer(t, open(t, t.TempDir(), Options{}), "unused-access", week); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
}

func TestReadersOfThirtyDays(t *testing.T) {
	l := &lakeDir{t: t}
	for i, days := range []int{1, 2, 9, 29, 31} {
		l.executions = append(l.executions, daysAgo(i+1, days, fmt.Sprint("person ", i), "orders", nil))
	}
	l.executions = append(l.executions, daysAgo(9, 20, "writer", "orders", writes), daysAgo(10, 20, "etl", "orders", func(e *athenatrail.QueryExecution) { e.PersonKind = athenatrail.PersonService }),
		daysAgo(11, 20, "elsewhere", "orders", func(e *athenatrail.QueryExecution) { e.RegionName = "us-east-1" }))
	d := open(t, l.write(), Options{})
	for _, rows := range []bool{false, true} {
		p := week
		p.Rows = rows
		list := answer(t, d, "tables", p)
		if len(list) != 1 || list[0]["readers_30_days"] != int64(4) || list[0]["readers"] != int64(2) {
			t.Errorf("by rows %t: %v", rows, list)
		}
	}
}

// The SQL views say what the facts do.
func TestCatalogViews(t *testing.T) {
	l := &lakeDir{t: t, catalog: []athenatrail.Reference{
		answered(3, accountA, "eu-west-1", athenatrail.KindTable, "awsdatacatalog.sales.orders", `{"Bytes":12,"ColumnCount":2,"Columns":["id","day"],"From":"glue","PartitionColumns":["dt"],"Rows":3}`),
		answered(3, accountA, "eu-west-1", athenatrail.KindGrant, "x", `{"From":"file","Permissions":["SELECT"],"Principal":"p","Resource":"r","Scope":"table"}`),
	}}
	d := open(t, l.write(), Options{})
	for query, want := range map[string]string{
		"SELECT concat_ws(' ', table_name, dt, gone, table_bytes, table_rows, column_count, column_names, partition_columns) AS line FROM catalog_tables": "awsdatacatalog.sales.orders 2026-11-05 false 12 3 2 [id, day] [dt]",
		"SELECT concat_ws(' ', principal, scope, table_name, permissions, gone, known_from) AS line FROM catalog_grants":                                  "p table r [SELECT] false file",
	} {
		got, err := d.texts(t.Context(), query)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, %v", query, got, err)
		}
	}
}
