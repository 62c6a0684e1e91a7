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
