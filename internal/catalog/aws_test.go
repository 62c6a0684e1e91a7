package catalog_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/catalog"
	"github.com/athenatrail/athenatrail/internal/catalog/catalogtest"
)

const (
	own    = "111122223333"
	region = "eu-west-1"
)

// connect starts a server that knows config, and returns a configuration whose
// calls all go there.
func connect(t *testing.T, config catalogtest.Config) (*catalogtest.Server, aws.Config) {
	t.Helper()
	config.Keys = map[string]string{"AKIATESTKEY01EXAMPLE": own}
	server := catalogtest.Start(config)
	t.Cleanup(server.Close)
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIATESTKEY01EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
	conn, err := awsconn.New(t.Context(), awsconn.Options{UserAgent: "athenatrail/test"})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := conn.Config(t.Context(), "", region)
	if err != nil {
		t.Fatal(err)
	}
	return server, cfg
}

func columnsOf(names ...string) (list []map[string]string) {
	for _, name := range names {
		list = append(list, map[string]string{"Name": name, "Type": "string", "Comment": "not to be kept"})
	}
	return list
}

func storage(serde, input, location string, columns ...string) map[string]any {
	return map[string]any{"Columns": columnsOf(columns...), "Location": location, "InputFormat": input, "SerdeInfo": map[string]any{"SerializationLibrary": serde}}
}

func TestTables(t *testing.T) {
	many := make([]string, 11_000)
	for i := range many {
		many[i] = fmt.Sprint("column_", i)
	}
	place := catalogtest.Place{Account: own, Region: region, Databases: []catalogtest.Database{
		{Name: "sales", Tables: []map[string]any{
			{"Name": "Orders", "TableType": "EXTERNAL_TABLE", "CreateTime": 1767225600.5, "UpdateTime": 1767312000,
				"StorageDescriptor": storage("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "", "s3://lake/sales/orders/", "id", "Total"),
				"PartitionKeys":     columnsOf("dt", "hr"), "Parameters": map[string]string{"classification": "csv", "sizeKey": "1234567890123", "recordCount": "-1", "numRows": "77"}},
			{"Name": "raw.csv", "Parameters": map[string]string{"compressionType": "gzip", "totalSize": "12 GB"},
				"StorageDescriptor": storage("org.apache.hadoop.hive.serde2.OpenCSVSerde", "", "jdbc:mysql://me:secret@host/db?password=secret", "a")},
			{"Name": "recent", "TableType": "VIRTUAL_VIEW", "StorageDescriptor": storage("", "", "", "id")},
			{"Name": "lent", "TargetTable": map[string]any{"CatalogId": "444455556666", "DatabaseName": "x", "Name": "y"}},
			{"Name": "ice", "TableType": "EXTERNAL_TABLE", "Parameters": map[string]string{"table_type": "ICEBERG"}, "StorageDescriptor": storage("", "", "s3://lake/ice", many[:3]...)},
			{"Name": "wide", "TableType": "ODD THING", "StorageDescriptor": storage("", "", "s3://lake/wide", many...)},
			{"Name": "control\x1bname"}, {"Name": strings.Repeat("x", 256)}, {"Name": ""},
		}},
		{Name: "empty"},
		{Name: "federated", More: map[string]any{"FederatedDatabase": map[string]any{"Identifier": "x"}}, Broken: true},
	}}
	_, cfg := connect(t, catalogtest.Config{Places: []catalogtest.Place{place}, PageSize: 2})
	l, err := catalog.Tables(t.Context(), cfg)
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l.Problems)
	}
	got := map[string]string{}
	var ids []string
	for _, r := range l.References {
		got[r.ID] = r.Answer
		ids = append(ids, r.ID)
		if r.Kind != athenatrail.KindTable || !json.Valid([]byte(r.Answer)) || strings.Contains(r.Answer, "kept") || strings.Contains(r.Answer, "secret") || strings.Contains(r.Answer, "owner") {
			t.Errorf("%+v", r)
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids %v", ids)
	}
	wide := got["awsdatacatalog.sales.wide"]
	delete(got, "awsdatacatalog.sales.wide")
	want := map[string]string{
		"awsdatacatalog.sales.orders": `{"Bytes":1234567890123,"ColumnCount":2,"Columns":["id","total"],"Created":"2026-01-01T00:00:00Z","Format":"parquet","From":"glue",` +
			`"Location":"s3://lake/sales/orders/","PartitionColumns":["dt","hr"],"Rows":77,"Type":"table","Updated":"2026-01-02T00:00:00Z"}`,
		`awsdatacatalog.sales."raw.csv"`: `{"ColumnCount":1,"Columns":["a"],"Compression":"gzip","Format":"csv","From":"glue","Location":"jdbc:mysql://host/db","Type":"table"}`,
		"awsdatacatalog.sales.recent":    `{"ColumnCount":1,"Columns":["id"],"From":"glue","Type":"view"}`,
		"awsdatacatalog.sales.lent":      `{"From":"glue","Type":"link"}`,
		"awsdatacatalog.sales.ice":       `{"ColumnCount":3,"Columns":["column_0","column_1","column_2"],"Format":"iceberg","From":"glue","Location":"s3://lake/ice","Type":"table"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- is wanted):\n%s", diff)
	}
	if wide != `{"ColumnCount":10000,"From":"glue","Location":"s3://lake/wide","Type":"odd thing"}` {
		t.Errorf("wide: %.200s", wide)
	}
	if !l.Lacks("awsdatacatalog.sales.gone") || l.Lacks("awsdatacatalog.sales.ice") || l.Lacks("awsdatacatalog.federated.anything") {
		t.Error("what is missing is not told right")
	}
}

func TestDatabasesThatAreDenied(t *testing.T) {
	place := catalogtest.Place{Account: own, Region: region}
	for _, name := range []string{"a", "b", "open"} {
		place.Databases = append(place.Databases, catalogtest.Database{Name: name, Tables: []map[string]any{{"Name": "t"}}})
	}
	place.Databases = append(place.Databases, catalogtest.Database{Name: "link", More: map[string]any{"TargetDatabase": map[string]any{"DatabaseName": "x"}}})
	_, cfg := connect(t, catalogtest.Config{Places: []catalogtest.Place{place}, Deny: func(operation, _, database string) bool {
		return operation == "GetTables" && database != "open"
	}})
	l, err := catalog.Tables(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.References) != 1 || l.References[0].ID != "awsdatacatalog.open.t" {
		t.Errorf("%v", l.References)
	}
	const want = "list the tables of 2 of 4 databases: not allowed to call glue:GetTables: User: arn:aws:iam::111122223333:user/reader is not authorized to perform: glue:GetTables"
	if len(l.Problems) != 1 || l.Problems[0].Error() != want {
		t.Errorf("problems %v, want %s", l.Problems, want)
	}
	if _, hint := awsconn.Explain(l.Problems[0]); !strings.Contains(hint, "deploy/policy/catalog.json") {
		t.Errorf("hint %q", hint)
	}
	if l.Lacks("awsdatacatalog.a.t") || !l.Lacks("awsdatacatalog.open.u") || !l.Lacks("awsdatacatalog.dropped.t") {
		t.Error("what is missing is not told right")
	}
}

func TestRefusedAltogether(t *testing.T) {
	_, cfg := connect(t, catalogtest.Config{Deny: func(string, string, string) bool { return true }})
	_, err := catalog.Tables(t.Context(), cfg)
	if !awsconn.Denied(err) || !strings.HasPrefix(err.Error(), "list the databases of the Data Catalog: not allowed to call glue:GetDatabases: ") {
		t.Errorf("error %v", err)
	}
	_, err = catalog.Grants(t.Context(), cfg)
	if !awsconn.Denied(err) || !strings.HasPrefix(err.Error(), "list Lake Formation's permissions: not allowed to call lakeformation:ListPermissions: ") {
		t.Errorf("error %v", err)
	}
}

// Throttling is waited out.
func TestThrottled(t *testing.T) {
	place := catalogtest.Place{Account: own, Region: region}
	for i := range 6 {
		place.Databases = append(place.Databases, catalogtest.Database{Name: fmt.Sprint("d", i), Tables: []map[string]any{{"Name": "t"}}})
	}
	server, cfg := connect(t, catalogtest.Config{Places: []catalogtest.Place{place}, PerSecond: 3, Burst: 1})
	l, err := catalog.Tables(t.Context(), cfg)
	if err != nil || len(l.Problems) > 0 || len(l.References) != 6 {
		t.Errorf("%v, %v, %d tables", err, l.Problems, len(l.References))
	}
	if server.Throttled() == 0 {
		t.Error("nothing was throttled: the test shows less than it says")
	}
}

func TestGrants(t *testing.T) {
	principal := func(id string) map[string]any { return map[string]any{"DataLakePrincipalIdentifier": id} }
	entry := func(who string, resource map[string]any, permissions ...string) any {
		return map[string]any{"Principal": principal(who), "Resource": resource, "Permissions": permissions, "PermissionsWithGrantOption": permissions[:1], "LastUpdatedBy": "arn:aws:iam::1:user/owner"}
	}
	table := func(database, name string) map[string]any {
		return map[string]any{"CatalogId": own, "DatabaseName": database, "Name": name}
	}
	const role = "arn:aws:iam::111122223333:role/analyst"
	place := catalogtest.Place{Account: own, Region: region, Permissions: []any{
		entry(role, map[string]any{"Table": table("Sales", "orders")}, "SELECT", "DESCRIBE"),
		entry(role, map[string]any{"TableWithColumns": table("sales", "orders")}, "SELECT"),
		entry(role, map[string]any{"DataCellsFilter": map[string]any{"DatabaseName": "sales", "TableName": "refunds", "Name": "eu"}}, "SELECT"),
		entry("IAM_ALLOWED_PRINCIPALS", map[string]any{"Table": map[string]any{"DatabaseName": "web", "Name": "ALL_TABLES", "TableWildcard": map[string]any{}}}, "ALL"),
		entry(role, map[string]any{"Database": map[string]any{"Name": "sales"}}, "CREATE_TABLE"),
		entry(role, map[string]any{"LFTagPolicy": map[string]any{"ResourceType": "TABLE", "Expression": []any{}}}, "SELECT"),
		entry(role, map[string]any{"DataLocation": map[string]any{"ResourceArn": "arn:aws:s3:::lake"}}, "DATA_LOCATION_ACCESS"),
		entry("", map[string]any{"Table": table("sales", "orders")}, "SELECT"),
		entry(role, map[string]any{"Table": table("", "orders")}, "SELECT"),
	}}
	_, cfg := connect(t, catalogtest.Config{Places: []catalogtest.Place{place}, PageSize: 2})
	l, err := catalog.Grants(t.Context(), cfg)
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l.Problems)
	}
	got := map[string]string{}
	for _, r := range l.References {
		got[r.ID] = r.Answer
	}
	want := map[string]string{
		role + " table awsdatacatalog.sales.orders":          `{"From":"lake_formation","Grantable":["SELECT"],"Permissions":["DESCRIBE","SELECT"],"Principal":"` + role + `","Resource":"awsdatacatalog.sales.orders","Scope":"table"}`,
		role + " table awsdatacatalog.sales.refunds":         `{"From":"lake_formation","Grantable":["SELECT"],"Permissions":["SELECT"],"Principal":"` + role + `","Resource":"awsdatacatalog.sales.refunds","Scope":"table"}`,
		"IAM_ALLOWED_PRINCIPALS tables awsdatacatalog.web.*": `{"From":"lake_formation","Grantable":["ALL"],"Permissions":["ALL"],"Principal":"IAM_ALLOWED_PRINCIPALS","Resource":"awsdatacatalog.web.*","Scope":"tables"}`,
		role + " database awsdatacatalog.sales.*":            `{"From":"lake_formation","Grantable":["CREATE_TABLE"],"Permissions":["CREATE_TABLE"],"Principal":"` + role + `","Resource":"awsdatacatalog.sales.*","Scope":"database"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- is wanted):\n%s", diff)
	}
}
