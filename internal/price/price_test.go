package price

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func table(t testing.TB, s Settings) *Table {
	t.Helper()
	table, err := NewTable(s)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func day(t testing.TB, s string) athenatrail.Date {
	t.Helper()
	d, err := athenatrail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSQLPrice(t *testing.T) {
	s := Settings{Prices: []Override{
		{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "4.5"},
		{Region: "eu-west-1", From: "2026-07-01", SQLPerTB: "4.25", Currency: "EUR"},
		{Region: "eu-west-1", From: "2026-09-01", SparkPerDPUHour: "0.3"}, // leaves SQL alone
		{Region: "ap-east-1", SQLPerTB: "0"},
	}}
	everywhere := Settings{Prices: append([]Override{{Region: "*", From: "2026-06-01", SQLPerTB: "4"}}, s.Prices...)}

	for _, c := range []struct {
		settings            Settings
		region, day, answer string
	}{
		{Settings{}, "us-east-1", "2026-05-04", "5.000000000 USD list"},
		{Settings{}, "us-west-1", "2026-05-04", "6.750000000 USD list"},
		{Settings{}, "eu-west-3", "2026-05-04", "7.000000000 USD list"},
		{Settings{}, "sa-east-1", "2026-05-04", "9.000000000 USD list"},
		{Settings{}, "me-south-1", "2026-05-04", "6.500000000 USD list"},
		{Settings{}, "ap-east-1", "2026-05-04", "5.500000000 USD list"},
		{Settings{}, "ca-central-1", "2026-05-04", "5.500000000 USD list"},
		{Settings{}, "cn-northwest-1", "2026-05-04", "34.340000000 CNY list"},
		{Settings{}, "us-east-1", "2016-11-30", "5.000000000 USD list"},
		{Settings{}, "us-east-1", "2016-11-29", "unpriced"}, // before Athena
		{Settings{}, "eu-south-1", "2026-05-04", "unpriced"},
		{Settings{}, athenatrail.UnknownName, "2026-05-04", "unpriced"},
		{Settings{}, "*", "2026-05-04", "unpriced"},

		{s, "eu-west-1", "2025-12-31", "5.000000000 USD list"},
		{s, "eu-west-1", "2026-01-01", "4.500000000 USD custom"},
		{s, "eu-west-1", "2026-06-30", "4.500000000 USD custom"},
		{s, "eu-west-1", "2026-07-01", "4.250000000 EUR custom"},
		{s, "eu-west-1", "2026-09-02", "4.250000000 EUR custom"},
		{s, "ap-east-1", "2017-01-01", "0.000000000 USD custom"},
		{s, "us-east-1", "2026-09-02", "5.000000000 USD list"},

		{everywhere, "us-east-1", "2026-05-31", "5.000000000 USD list"},
		{everywhere, "us-east-1", "2026-06-01", "4.000000000 USD custom"},
		{everywhere, "eu-south-1", "2026-06-01", "4.000000000 USD custom"},
		{everywhere, "eu-west-1", "2026-06-01", "4.500000000 USD custom"},
	} {
		amount, currency, custom, ok := table(t, c.settings).SQL(c.region, day(t, c.day))
		got := "unpriced"
		if ok {
			got = amount.String() + " " + currency + map[bool]string{false: " list", true: " custom"}[custom]
		}
		if got != c.answer {
			t.Errorf("%s on %s: %s, want %s", c.region, c.day, got, c.answer)
		}
	}
}

func TestNewTableErrors(t *testing.T) {
	f := func(s Settings, want ...string) {
		t.Helper()
		_, err := NewTable(s)
		if err == nil {
			t.Errorf("%+v: no error", s)
			return
		}
		if d := cmp.Diff(want, strings.Split(err.Error(), "\n")); d != "" {
			t.Error(d)
		}
	}
	f(Settings{Units: "metric"}, `price_units "metric": want binary or decimal`)
	f(Settings{ZeroByteDML: "never"}, `zero_byte_dml "never": want minimum or free`)
	f(Settings{Prices: []Override{
		{Region: "eu-west-1", SQLPerTB: "5"},
		{Region: "Ireland", SQLPerTB: "5"},
		{Region: "eu-west-1", From: "tomorrow", SQLPerTB: "5"},
		{Region: "eu-west-1", From: "2026-02-30", SQLPerTB: "5"},
		{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "-5"},
		{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "5e3"},
		{Region: "eu-west-1", From: "2026-01-01", SparkPerDPUHour: "1000001"},
		{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "5", Currency: "Euro"},
		{Region: "eu-west-1", From: "2026-01-01"},
		{Region: "eu-west-1", SparkPerDPUHour: "0.4"},
		{SQLPerTB: "5"},
	}},
		`prices[1].region "Ireland": want a region such as eu-west-1, or * for all`,
		`prices[2].from "tomorrow": want YYYY-MM-DD`,
		`prices[3].from "2026-02-30": want YYYY-MM-DD`,
		`prices[4].sql_per_tb: amount "-5": want a decimal such as 5 or 6.75`,
		`prices[5].sql_per_tb: amount "5e3": want a decimal such as 5 or 6.75`,
		`prices[6].spark_per_dpu_hour "1000001": more than a million`,
		`prices[7].currency "Euro": want three capital letters such as EUR`,
		`prices[8]: want at least one of sql_per_tb, spark_per_dpu_hour, capacity_per_dpu_hour`,
		`prices[9]: region "eu-west-1" from the beginning: prices[0] says it already`,
		`prices[10].region "": want a region such as eu-west-1, or * for all`,
	)
}

func TestHash(t *testing.T) {
	hashes := map[string]string{}
	for name, s := range map[string]Settings{
		"default":   {},
		"decimal":   {Units: "decimal"},
		"free":      {ZeroByteDML: "free"},
		"price":     {Prices: []Override{{Region: "eu-west-1", SQLPerTB: "4"}}},
		"amount":    {Prices: []Override{{Region: "eu-west-1", SQLPerTB: "4.000000001"}}},
		"day":       {Prices: []Override{{Region: "eu-west-1", From: "2026-01-01", SQLPerTB: "4"}}},
		"currency":  {Prices: []Override{{Region: "eu-west-1", SQLPerTB: "4", Currency: "EUR"}}},
		"region":    {Prices: []Override{{Region: "*", SQLPerTB: "4"}}},
		"component": {Prices: []Override{{Region: "eu-west-1", SparkPerDPUHour: "4"}}},
	} {
		h := table(t, s).Hash()
		if len(h) != 16 {
			t.Errorf("%s: hash %q", name, h)
		}
		if other, taken := hashes[h]; taken {
			t.Errorf("%s and %s have one hash", name, other)
		}
		hashes[h] = name
	}

	a := Override{Region: "eu-west-1", SQLPerTB: "4"}
	b := Override{Region: "us-east-1", SQLPerTB: "4.0", Currency: "USD"}
	one, two := table(t, Settings{Prices: []Override{a, b}}), table(t, Settings{Units: "binary", ZeroByteDML: "minimum", Prices: []Override{b, a}})
	if one.Hash() != two.Hash() {
		t.Error("the order of the configuration's prices changes the hash")
	}
}

func TestPricesAreCopied(t *testing.T) {
	table := table(t, Settings{})
	prices := table.Prices()
	if len(prices) != len(listed) {
		t.Fatalf("%d prices, want %d", len(prices), len(listed))
	}
	prices[0].Currency = "EUR"
	if table.Prices()[0].Currency != "USD" {
		t.Error("a caller can change the table")
	}
}

// What this package may import keeps it pure.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		local := strings.HasPrefix(dep, "github.com/athenatrail/athenatrail")
		if strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") && !local ||
			local && dep != "github.com/athenatrail/athenatrail" && !strings.HasSuffix(dep, "/internal/price") ||
			dep == "net" || strings.HasPrefix(dep, "net/") {
			t.Errorf("depends on %s", dep)
		}
	}
	direct, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(direct)) {
		if dep == "os" || dep == "time" || strings.HasPrefix(dep, "os/") {
			t.Errorf("imports %s", dep)
		}
	}
}
