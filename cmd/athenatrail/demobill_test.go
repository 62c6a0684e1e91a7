package main

import (
	"encoding/csv"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/demo"
)

// billAgrees bills the company for what really happened, in both systems of
// units, with lines that are not the lake's to explain: the units are found,
// and unexplained is what was put there, to the millionth of a terabyte.
func billAgrees(t *testing.T, dir string, company *demo.Company) {
	for units, system := range map[string][2]int64{"binary": {1 << 20, 1 << 40}, "decimal": {1e6, 1e12}} {
		file := filepath.Join(t.TempDir(), units+".csv")
		writeBill(t, file, company, system[0], system[1])
		r := run(t, nil, "verify", "--bill", file, "--lake", dir, "--output", "json").mustEnd(t, 0)
		if want := "price_units " + units + " "; !strings.Contains(r.stderr, want) {
			t.Errorf("%s: want %q in\n%s", units, want, r.stderr)
		}
		if warned := strings.Contains(r.stderr, "costs in the tables are off by a tenth"); warned != (units == "decimal") {
			t.Errorf("%s: warned %v\n%s", units, warned, r.stderr)
		}
		if units == "binary" {
			billIsKept(t, dir, file)
		}
		var page struct {
			Rows []struct {
				Charge      string      `json:"charge"`
				Region      string      `json:"region_name"`
				Unexplained json.Number `json:"unexplained"`
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &page); err != nil {
			t.Fatal(err)
		}
		var got, elsewhere float64
		rows := 0
		for _, row := range page.Rows {
			if row.Charge != "sql" {
				continue
			}
			v, err := row.Unexplained.Float64()
			if err != nil {
				t.Fatal(err)
			}
			if rows++; row.Region == "eu-central-1" {
				elsewhere += v
				continue
			}
			if v < -1e-6 || v > 1e-6 {
				t.Errorf("%s: %+v is explained by nobody", units, row)
			}
			got += v
		}
		if elsewhere != 0.75 || rows < 50 {
			t.Errorf("%s: unexplained are %v TB elsewhere, want 0.75, and %v here, of %d rows", units, elsewhere, got, rows)
		}
	}
}

// billIsKept keeps the bill and compares the overview with it: its rows are the
// invoice, and what the lake explains is what its executions and sessions cost.
func billIsKept(t *testing.T, dir, file string) {
	t.Helper()
	run(t, nil, "verify", "--bill", file, "--keep", "--lake", dir, "--quiet").mustEnd(t, 0)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	invoice := new(big.Rat)
	for _, line := range lines[1:] {
		if line[0] != "AmazonAthena" || line[6] < "2026-10-01" || line[6] >= "2026-11-01" {
			continue
		}
		cost, ok := new(big.Rat).SetString(line[4])
		if !ok {
			t.Fatal(line)
		}
		invoice.Add(invoice, cost)
	}
	var page struct {
		Rows []struct {
			Section, Name string
			Cost          json.Number
		}
	}
	r := run(t, nil, "report", "overview", "--lake", dir, "--from", "2026-10-01", "--to", "2026-11-01", "--output", "json").mustEnd(t, 0)
	if err := json.Unmarshal([]byte(r.stdout), &page); err != nil {
		t.Fatal(err)
	}
	sum, of := new(big.Rat), map[string]*big.Rat{}
	for _, row := range page.Rows {
		if row.Section != "bill" {
			continue
		}
		cost, ok := new(big.Rat).SetString(row.Cost.String())
		if !ok {
			t.Fatal(row)
		}
		if of[row.Name] = cost; row.Name != "invoice" {
			sum.Add(sum, cost)
		}
	}
	if of["invoice"] == nil || of["explained by the lake"] == nil || of["unattributed"] == nil {
		t.Fatalf("the overview has %v", of)
	}
	if sum.Cmp(of["invoice"]) != 0 {
		t.Errorf("the rows are %s, the invoice %s", sum.FloatString(9), of["invoice"].FloatString(9))
	}
	// Lines have ten digits, the lake nine.
	if d := new(big.Rat).Sub(of["invoice"], invoice); d.Abs(d).Cmp(big.NewRat(1, 1_000_000)) > 0 {
		t.Errorf("the invoice is %s, and the file has %s", of["invoice"].FloatString(9), invoice.FloatString(9))
	}
	explained := run(t, nil, "query", "--lake", dir, "--output", "jsonl", `SELECT CAST(sum(cost) AS VARCHAR) AS cost FROM (
		SELECT account_id, region_name, submission_date_time AS began, cost FROM query_executions UNION ALL SELECT account_id, region_name, started_at, cost FROM sessions) AS x
		WHERE began >= TIMESTAMP '2026-10-01' AND began < TIMESTAMP '2026-11-01' AND (CAST(began AS DATE), account_id, region_name) IN (SELECT (dt, account_id, region_name) FROM bill WHERE kind <> 'adjustment')`).mustEnd(t, 0)
	type costs struct{ Cost string }
	if want, ok := new(big.Rat).SetString(rows[costs](t, explained.stdout)[0].Cost); !ok || want.Cmp(of["explained by the lake"]) != 0 {
		t.Errorf("explained is %s, and rows cost %s", of["explained by the lake"].FloatString(9), explained.stdout)
	}
}

func writeBill(t *testing.T, file string, company *demo.Company, megabyte, terabyte int64) {
	t.Helper()
	type key struct{ day, account, region string }
	sums := map[key]int64{}
	for _, x := range company.Truths() {
		if x.BilledBytes == nil || *x.BilledBytes == 0 || x.CompletedAt == 0 {
			continue
		}
		sums[key{time.UnixMilli(x.CompletedAt).UTC().Format(time.DateOnly), x.AccountID, x.Region}] += max((*x.ScannedBytes+megabyte-1)/megabyte, 10) * megabyte
	}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := csv.NewWriter(out)
	line := func(service, usageType, kind, quantity, cost, day, account, region string) {
		w.Write([]string{service, usageType, kind, quantity, cost, "USD", day + "T00:00:00Z", day + "T23:59:59Z", region, account})
	}
	w.Write(strings.Split("line_item_product_code,line_item_usage_type,line_item_line_item_type,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,line_item_usage_end_date,product_region_code,line_item_usage_account_id", ","))
	for k, sum := range sums {
		tb := big.NewRat(sum, terabyte)
		line("AmazonAthena", "USE1-DataScannedInTB", "Usage", tb.FloatString(10), new(big.Rat).Mul(tb, big.NewRat(5, 1)).FloatString(10), k.day, k.account, k.region)
	}
	line("AmazonAthena", "EUC1-DataScannedInTB", "Usage", "0.75", "3.75", "2026-10-14", demo.Analytics, "eu-central-1")
	line("AmazonAthena", "USE1-DataScannedInTB", "Tax", "", "12.34", "2026-10-01", demo.Analytics, "us-east-1")
	line("AmazonS3", "Requests-Tier1", "Usage", "1000", "5", "2026-10-01", demo.Analytics, "us-east-1")
	w.Flush()
	if err := w.Error(); err != nil {
		t.Fatal(err)
	}
	if len(sums) < 50 {
		t.Fatalf("the company has %d days of accounts and regions", len(sums))
	}
}
