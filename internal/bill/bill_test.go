package bill

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

const (
	account = "111122223333"
	other   = "444455556666"
)

var monday = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

// A statement is one that was run, as AWS would bill it.
type statement struct {
	at      time.Time
	account string
	region  string
	bytes   int64
	state   string
}

// statements are ten days of two accounts and regions, with small ones, failed
// ones and some over midnight.
func statements() (all []statement) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 4000 {
		s := statement{monday.Add(time.Duration(n) * 216 * time.Second), account, "us-east-1", r.Int64N(80_000_000_000), "SUCCEEDED"}
		switch n % 10 {
		case 1, 2:
			s.account, s.region = other, "eu-west-1"
		case 3:
			s.bytes = r.Int64N(9_000_000) // less than the least that is charged
		case 4:
			s.state = "FAILED"
		case 5:
			s.state = "CANCELLED"
		}
		all = append(all, s)
	}
	return all
}

// A charge is a line of the bill, in the words of CUR.
type charge struct {
	service, usageType, kind, quantity, cost string
	start                                    time.Time
	days                                     int
	region, account                          string
}

// charges bills statements by the hour as AWS does, in a system of units,
// computed here apart from the program's own computation.
func charges(all []statement, megabyte, terabyte int64) (lines []charge) {
	type key struct {
		hour            time.Time
		account, region string
	}
	sums := map[key]int64{}
	for _, s := range all {
		if s.state == "FAILED" {
			continue
		}
		sums[key{s.at.Truncate(time.Hour), s.account, s.region}] += max((s.bytes+megabyte-1)/megabyte, 10) * megabyte
	}
	for k, sum := range sums {
		tb := new(big.Rat).SetFrac64(sum, terabyte)
		prefix := map[string]string{"us-east-1": "USE1-", "eu-west-1": "EU-"}[k.region]
		lines = append(lines, charge{
			"AmazonAthena", prefix + "DataScannedInTB", "Usage", tb.FloatString(10), new(big.Rat).Mul(tb, big.NewRat(5, 1)).FloatString(10), k.hour, 0, k.region, k.account,
		})
	}
	slices.SortFunc(lines, func(a, b charge) int {
		return strings.Compare(fmt.Sprint(a.start, a.account, a.region), fmt.Sprint(b.start, b.account, b.region))
	})
	return lines
}

// noise is what else stands on a bill.
func noise() []charge {
	return []charge{
		{"AmazonS3", "USE1-TimedStorage-ByteHrs", "Usage", "12.5", "99.0000000000", monday, 0, "us-east-1", account},
		{"AmazonAthena", "USE1-DataScannedInTB", "Tax", "1", "7.2500000000", monday, 0, "us-east-1", account},
		{"AmazonAthena", "USE1-DataScannedInTB", "Credit", "0", "-3.0000000000", monday, 0, "us-east-1", account},
		{"AmazonAthena", "USE1-DataScannedInTB", "Refund", "0", "-1.5000000000", monday, 0, "us-east-1", account},
		{"AmazonAthena", "APS9-DataScannedInTB", "Usage", "0.25", "1.25", monday.AddDate(0, 0, 1), 0, "", account},
		{"AmazonAthena", "EU-ReservedCapacityInDPUHours", "Usage", "96", "28.8", monday.AddDate(0, 0, 2), 0, "eu-west-1", other},
		{"AmazonAthena", "USE1-CodeExecutionInDPUHours", "Usage", "2", "0.7", monday.AddDate(0, 0, 3), 0, "us-east-1", account},
		{"AmazonAthena", "USE1-SomethingNew", "Usage", "3", "0.11", monday.AddDate(0, 0, 3), 0, "us-east-1", account},
		{"AWSGlue", "USE1-Catalog-Request", "Usage", "1", "1e-6", monday.AddDate(0, 0, 11), 0, "us-east-1", account},
	}
}

// forms write the same lines in every form that is read.
var forms = map[string]func(t *testing.T, lines []charge) []byte{
	"CUR 2.0 CSV": func(t *testing.T, lines []charge) []byte {
		return csvOf(t, lines, "line_item_product_code,line_item_usage_type,line_item_line_item_type,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,line_item_usage_end_date,product_region_code,line_item_usage_account_id", nil)
	},
	"CUR, compressed": func(t *testing.T, lines []charge) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(csvOf(t, lines, "lineItem/ProductCode,lineItem/UsageType,lineItem/LineItemType,lineItem/UsageAmount,lineItem/UnblendedCost,lineItem/CurrencyCode,lineItem/UsageStartDate,lineItem/UsageEndDate,product/region,lineItem/UsageAccountId", nil))
		z.Close()
		return b.Bytes()
	},
	"FOCUS CSV": func(t *testing.T, lines []charge) []byte {
		return csvOf(t, lines, "x_ServiceCode,x_UsageType,ChargeCategory,ConsumedQuantity,BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,RegionId,SubAccountId", nil)
	},
	"FOCUS without AWS's columns": func(t *testing.T, lines []charge) []byte {
		return csvOf(t, lines, "ServiceName,SkuMeter,ChargeCategory,ConsumedQuantity,BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,RegionId,SubAccountId", func(c *charge) {
			if c.service == "AmazonAthena" {
				c.service = "Amazon Athena"
			}
		})
	},
	"CUR 2.0 Parquet": func(t *testing.T, lines []charge) []byte {
		type row struct {
			Service  string            `parquet:"line_item_product_code"`
			Type     *string           `parquet:"line_item_usage_type,optional"`
			Product  map[string]string `parquet:"product"`
			Kind     string            `parquet:"line_item_line_item_type,dict"`
			Quantity float64           `parquet:"line_item_usage_amount"`
			Cost     float64           `parquet:"line_item_unblended_cost"`
			Currency string            `parquet:"line_item_currency_code"`
			Start    time.Time         `parquet:"line_item_usage_start_date,timestamp(millisecond)"`
			End      time.Time         `parquet:"line_item_usage_end_date,timestamp(millisecond)"`
			Region   *string           `parquet:"product_region_code,optional"`
			Account  string            `parquet:"line_item_usage_account_id"`
		}
		var rows []row
		for _, c := range lines {
			r := row{Service: c.service, Type: &c.usageType, Product: map[string]string{"a": "b", "c": "d"}, Kind: c.kind, Currency: "USD", Start: c.start, End: c.end(), Account: c.account}
			r.Quantity, r.Cost = float(t, c.quantity), float(t, c.cost)
			if c.region != "" {
				r.Region = &c.region
			}
			rows = append(rows, r)
		}
		return parquetOf(t, rows)
	},
	"FOCUS Parquet": func(t *testing.T, lines []charge) []byte {
		type row struct {
			Service  string    `parquet:"ServiceName"`
			Type     string    `parquet:"x_UsageType"`
			Kind     string    `parquet:"ChargeCategory"`
			Quantity int64     `parquet:"ConsumedQuantity,decimal(10:18)"`
			Cost     int64     `parquet:"BilledCost,decimal(10:18)"`
			Currency string    `parquet:"BillingCurrency"`
			Start    time.Time `parquet:"ChargePeriodStart,timestamp(microsecond)"`
			End      time.Time `parquet:"ChargePeriodEnd,timestamp(microsecond)"`
			Region   string    `parquet:"RegionId"`
			Account  string    `parquet:"SubAccountId"`
		}
		var rows []row
		for _, c := range lines {
			r := row{Service: strings.Replace(c.service, "AmazonAthena", "Amazon Athena", 1), Type: c.usageType, Kind: c.kind, Currency: "USD", Start: c.start, End: c.end(), Region: c.region, Account: c.account}
			for _, n := range []struct {
				to   *int64
				text string
			}{{&r.Quantity, c.quantity}, {&r.Cost, c.cost}} {
				f, err := ParseFixed(n.text)
				if err != nil {
					t.Fatal(err)
				}
				*n.to = int64(f) / 100
			}
			rows = append(rows, r)
		}
		return parquetOf(t, rows)
	},
}

func float(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (c charge) end() time.Time {
	if c.days > 0 {
		return c.start.AddDate(0, 0, c.days)
	}
	return c.start.Add(time.Hour)
}

func csvOf(t *testing.T, lines []charge, header string, change func(*charge)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	// A column in front that nobody asked for, and another one at the end.
	w.Write(append(append([]string{"identity/LineItemId"}, strings.Split(header, ",")...), "resource_tags"))
	for _, c := range lines {
		if change != nil {
			change(&c)
		}
		w.Write([]string{"id", c.service, c.usageType, c.kind, c.quantity, c.cost, "USD", c.start.Format(time.RFC3339), c.end().Format("2006-01-02T15:04:05.000Z"), c.region, c.account, "{\"a\":\n\"b\"}"})
	}
	w.Flush()
	return b.Bytes()
}

func parquetOf[T any](t *testing.T, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.MaxRowsPerRowGroup(100), parquet.PageBufferSize(512), parquet.Compression(&parquet.Snappy))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lakeOf is what a lake knows of statements, with a session and what ran on
// reserved capacity.
func lakeOf(t *testing.T, all []statement) *Lake {
	t.Helper()
	l, err := NewLake("")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		l.Statement(athenatrail.DateOf(s.at), s.account, "rosa@example.com", price.Execution{
			Region: s.region, Day: athenatrail.DateOf(s.at), State: s.state, StatementType: "DML", SubstatementType: "SELECT", ScannedBytes: &s.bytes,
		}, nil)
	}
	dpus, hour, minutes, half := 24.0, int64(3_600_000), int64(1_200_000), int64(1_800_000)
	capacity := price.Execution{Region: "eu-west-1", Day: athenatrail.DateOf(monday) + 2, State: "SUCCEEDED", StatementType: "DML", DPUCount: &dpus}
	l.Statement(capacity.Day, other, "ines@example.com", capacity, &hour)
	l.Statement(capacity.Day, other, "rosa@example.com", capacity, &minutes)
	l.Statement(capacity.Day, other, "rosa@example.com", capacity, &minutes)
	l.Session(athenatrail.DateOf(monday)+3, account, "us-east-1", &half)
	return l
}

func read(t *testing.T, data []byte) *Bill {
	t.Helper()
	b, err := Read(nil, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sum(rows []Row, kind string, of func(Row) Fixed) (total Fixed) {
	for _, r := range rows {
		if r.Kind == kind {
			total += of(r)
		}
	}
	return total
}

// In every form and in both systems of units the units are found, what the lake
// lacks is what is unexplained, and the costs add up to the invoice.
func TestBill(t *testing.T) {
	all := statements()
	var held, lacking []statement
	for n, s := range all {
		// The lake lacks a tenth, all on four of the days: as much as the two
		// systems differ by.
		if day := s.at.Sub(monday) / (24 * time.Hour); day < 4 && n%4 == 0 {
			lacking = append(lacking, s)
			continue
		}
		held = append(held, s)
	}
	systems := map[string][2]int64{Binary: {1 << 20, 1 << 40}, Decimal: {1e6, 1e12}}
	for form, write := range forms {
		for units, system := range systems {
			t.Run(form+" "+units, func(t *testing.T) {
				b := read(t, write(t, append(noise(), charges(all, system[0], system[1])...)))
				c, err := Compare(b, lakeOf(t, held))
				if err != nil {
					t.Fatal(err)
				}
				if c.Units != units || c.Implied < float64(system[1])*0.999 || c.Implied > float64(system[1])*1.001 {
					t.Errorf("units %q, %.0f bytes a terabyte; binary fits %v %%, decimal %v %%", c.Units, c.Implied, c.FitBinary, c.FitDec)
				}
				var want Fixed // rounded line by line on the bill, to ten digits
				for _, line := range charges(lacking, system[0], system[1]) {
					q, err := ParseFixed(line.quantity)
					if err != nil {
						t.Fatal(err)
					}
					want += q
				}
				want += fixedScale / 4 // the region that is not named
				lines := Fixed(len(charges(all, 1, 1)))
				if got := sum(c.Rows, SQL, func(r Row) Fixed { return r.Unexplained }); got < want-100*lines || got > want+100*lines {
					t.Errorf("unexplained are %s TB, want %s", got, want)
				}
				if got := sum(c.Rows, Spark, func(r Row) Fixed { return r.Unexplained }); got != 3*fixedScale/2 {
					t.Errorf("unexplained are %s DPU-hours of Spark, want 1.5", got)
				}
				// Every line of Athena, whatever it is for.
				var invoice Fixed
				for _, line := range append(noise(), charges(all, system[0], system[1])...) {
					if line.service == "AmazonAthena" {
						cost, err := ParseFixed(line.cost)
						if err != nil {
							t.Fatal(err)
						}
						invoice += cost
					}
				}
				total, unexplained, idle := c.Sums()
				// 5 USD a terabyte, 0.35 an hour of Spark, 0.11 of what is not known.
				if paid := 5*want.Float() + 0.35*1.5 + 0.11; unexplained.Float() < paid-0.001 || unexplained.Float() > paid+0.001 || idle != 168*fixedScale/10 || c.Beyond() != 0 {
					t.Errorf("unexplained are %s, want %.3f; idle %s; beyond %d", unexplained, paid, idle, c.Beyond())
				}
				for _, a := range c.Adjustments {
					total += a.Cost
				}
				if total != c.Total || (c.Total-invoice).abs() > 100_000 {
					t.Errorf("the rows are %s, the total %s, and the invoice %s", total, c.Total, invoice)
				}
				if len(c.Adjustments) != 3 || c.Adjustments[0].Type != "Credit" || c.Adjustments[0].Cost != -3*fixedScale {
					t.Errorf("adjustments %v", c.Adjustments)
				}
				if !b.Types["USE1-SomethingNew"] || len(b.Types) != 1 || b.Monthly || b.Currency != "USD" || b.Wrong != 0 {
					t.Errorf("%+v", b)
				}
				if b.From != athenatrail.DateOf(monday) || b.To != athenatrail.DateOf(monday)+12 {
					t.Errorf("from %s to %s", b.From, b.To)
				}
				shares(t, c)
			})
		}
	}
}

func (f Fixed) abs() Fixed { return max(f, -f) }

// 96 DPU-hours for 28.80: ines used 24, rosa 16, and 56 were idle.
func shares(t *testing.T, c *Comparison) {
	t.Helper()
	var got []string
	for _, s := range c.Shares {
		got = append(got, fmt.Sprintf("%s %s %.2f %.2f", s.Region, s.Person, s.DPUHours.Float(), s.Cost.Float()))
	}
	want := []string{"eu-west-1  56.00 16.80", "eu-west-1 ines@example.com 24.00 7.20", "eu-west-1 rosa@example.com 16.00 4.80"}
	if !slices.Equal(got, want) {
		t.Errorf("shares %q, want %q", got, want)
	}
}

// Days make up for each other, regions do not; what the lake has and the bill
// has not is told.
func TestSums(t *testing.T) {
	const tb = fixedScale
	c := &Comparison{Rows: []Row{
		{Key: Key{1, account, "us-east-1", SQL}, Billed: 2 * tb, Explained: 1 * tb, Unexplained: tb, Cost: 10 * tb, Unpaid: 5 * tb},
		{Key: Key{2, account, "us-east-1", SQL}, Billed: 1 * tb, Explained: 2 * tb, Unexplained: -tb, Cost: 5 * tb, Unpaid: -5 * tb},
		{Key: Key{2, account, "eu-west-1", SQL}, Billed: 1 * tb, Unexplained: tb, Cost: 5 * tb, Unpaid: 5 * tb},
	}}
	if cost, unexplained, idle := c.Sums(); cost != 20*tb || unexplained != 5*tb || idle != 0 || c.Beyond() != 1 {
		t.Errorf("cost %s, unexplained %s, idle %s, beyond %d", cost, unexplained, idle, c.Beyond())
	}
}

// A line of a month makes days incomparable, not the whole.
func TestMonthly(t *testing.T) {
	all := statements()
	var quantity Fixed
	for _, line := range charges(all, 1<<20, 1<<40) {
		if line.account == account {
			q, _ := ParseFixed(line.quantity)
			quantity += q
		}
	}
	b := read(t, csvOf(t, []charge{{"AmazonAthena", "DataScannedInTB", "Usage", quantity.String(), "1", monday.AddDate(0, 0, -4), 31, "us-east-1", account}},
		"ServiceName,x_UsageType,ChargeCategory,ConsumedQuantity,BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,RegionId,SubAccountId", nil))
	c, err := Compare(b, lakeOf(t, all))
	if err != nil {
		t.Fatal(err)
	}
	if !b.Monthly || c.Units != Binary {
		t.Errorf("monthly %v, units %q", b.Monthly, c.Units)
	}
	i := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Account == account && r.Kind == SQL })
	if r := c.Rows[i]; r.Unexplained.abs() > fixedScale/1000 {
		t.Errorf("%+v", r)
	}
}

// What cannot be read is one line with what is wrong, or a line that is named.
func TestRefuses(t *testing.T) {
	const header = "line_item_product_code,line_item_usage_type,line_item_usage_amount,line_item_unblended_cost,line_item_usage_start_date,line_item_currency_code\n"
	f := func(name, data, want string) {
		t.Helper()
		_, err := Read(nil, strings.NewReader(data), int64(len(data)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("empty", "", "it is empty")
	f("another table", "a,b\n1,2\n", "no column line_item_product_code or x_ServiceCode or ServiceName")
	f("no Parquet", "PAR1 and no footer PAR1", "not Parquet")
	f("two currencies", header+"AmazonAthena,DataScannedInTB,1,5,2026-10-05,USD\nAmazonAthena,DataScannedInTB,1,5,2026-10-05,EUR\n", "in USD and in EUR")
	f("a quote without an end", header+`"`+strings.Repeat("x", maxLine+100_000), "a line is longer")
	f("over what there can be", header+"AmazonAthena,DataScannedInTB,9000000,5,2026-10-05,USD\nAmazonAthena,DataScannedInTB,9000000,5,2026-10-05,USD\n", "too large")

	b := read(t, []byte(header+"AmazonAthena,DataScannedInTB,one,5,2026-10-05,USD\nAmazonAthena,DataScannedInTB,1,5,yesterday,USD\nAmazonAthena,DataScannedInTB,1,5,2026-10-05,USD\nAmazonAthena\n"))
	if b.Wrong != 3 || len(b.Problems) != 3 || !strings.Contains(b.Problems[0], `line 2: number "one"`) || len(b.Usage) != 1 {
		t.Errorf("got %+v", b)
	}
}

func TestParseFixed(t *testing.T) {
	for text, want := range map[string]Fixed{
		"": 0, "0": 0, "1": fixedScale, "-1.5": -3 * fixedScale / 2, "0.0000000000005": 1, "0.0000000000004": 0, "1e-6": 1_000_000, "2.5E3": 2500 * fixedScale,
		"+3": 3 * fixedScale, ".5": fixedScale / 2,
	} {
		if got, err := ParseFixed(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "1/3", "0x10", "NaN", "Inf", "1e400", "1e999999999", "9300000", strings.Repeat("1", 70), "1_000"} {
		if got, err := ParseFixed(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for f, want := range map[Fixed]string{0: "0.000000000", 1: "0.000000000", 500: "0.000000001", -fixedScale / 2: "-0.500000000", -1: "0.000000000"} {
		if got := f.String(); got != want {
			t.Errorf("%d: got %s, want %s", f, got, want)
		}
	}
}

// Nothing that a file holds makes reading panic, and what is read adds up.
func FuzzRead(f *testing.F) {
	t := &testing.T{}
	for _, write := range forms {
		f.Add(write(t, noise()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Read(nil, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		l, err := NewLake("")
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compare(b, l)
		if err != nil {
			return
		}
		cost, _, _ := c.Sums()
		for _, a := range c.Adjustments {
			cost += a.Cost
		}
		if cost != c.Total {
			t.Errorf("the rows are %s, the total %s", cost, c.Total)
		}
		lines, err := b.Kept(time.Unix(2e9, 0))
		if err != nil {
			return
		}
		for i, l := range lines {
			if l.Home.Date < b.From || l.Home.Date >= b.To || athenatrail.SafeName(l.Home.Account) != l.Home.Account {
				t.Errorf("line %d: %+v", i, l)
			}
		}
	})
}

// TestKept compares what is kept with the bill: its days and its sums.
func TestKept(t *testing.T) {
	first := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	exported := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	header := "line_item_product_code,line_item_usage_type,line_item_line_item_type,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,line_item_usage_end_date,product_region_code,line_item_usage_account_id"
	of := func(last int) *Bill {
		return read(t, csvOf(t, []charge{
			{"AmazonAthena", "USE1-DataScannedInTB", "Usage", "0.1234567891234", "1.0000000005", first.AddDate(0, 0, 2), 0, "us-east-1", account},
			{"AmazonAthena", "USE1-DataScannedInTB", "Usage", "0.1", "2", first.AddDate(0, 0, 2).Add(5 * time.Hour), 0, "us-east-1", account},
			{"AmazonAthena", "EU-ReservedCapacityInDPUHours", "Usage", "96", "28.8", first.AddDate(0, 0, 3), 0, "eu-west-1", other},
			{"AmazonAthena", "USE1-DataScannedInTB", "Tax", "0", "7.25", first, 31, "us-east-1", account},
			{"AmazonAthena", "USE1-DataScannedInTB", "Credit", "0", "-0.0000000006", first, 0, "../us east 1", "x"},
			{"AmazonS3", "Requests", "Usage", "1", "9", first, 0, "us-east-1", account},
			{"AmazonS3", "Requests", "Usage", "1", "9", first.AddDate(0, 0, last), 0, "us-east-1", account},
			{"AmazonAthena", "USE1-DataScannedInTB", "Usage", "5", "25", first.AddDate(0, 0, last), 0, "us-east-1", account},
		}, header, nil))
	}
	lines, err := of(30).Kept(exported)
	if err != nil {
		t.Fatal(err)
	}
	var sum athenatrail.Money
	days := map[string]int{}
	for _, l := range lines {
		sum += l.Cost
		days[l.Kind+" "+l.Home.Name()]++
		if !l.Exported.Equal(exported) || !l.Through.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || l.Currency != "USD" {
			t.Errorf("%+v", l)
		}
	}
	if want := athenatrail.Money(64_050_000_000); sum != want { // 1.000000001 + 2 + 28.8 + 7.25 - 0.000000001 + 25
		t.Errorf("kept are %s, want %s", sum, want)
	}
	if days["sql "+account+"_us-east-1"] != 31 || days["capacity "+other+"_eu-west-1"] != 31 || days["adjustment "+account+"_us-east-1"] != 1 || days["adjustment x_unknown"] != 1 || len(days) != 4 {
		t.Errorf("days %v", days)
	}
	// AWS still adds to the last day of an export within the month.
	b := of(20)
	if lines, err = b.Kept(exported); err != nil || b.CoveredTo() != athenatrail.DateOf(first)+20 || len(lines) != 2*20+2 {
		t.Fatalf("%v, to %s", err, b.CoveredTo())
	}
	b = read(t, csvOf(t, []charge{{"AmazonAthena", "USE1-DataScannedInTB", "Usage", "5", "25", first.AddDate(0, 0, 4), 0, "us-east-1", account}, {"AmazonAthena", "USE1-DataScannedInTB", "Usage", "5", "25", first.AddDate(0, 0, 3), 0, "us-east-1", account}}, header, nil))
	if lines, err = b.Kept(exported); err != nil || len(lines) != 1 || lines[0].Cost != 25*athenatrail.MoneyScale || !lines[0].Through.Equal(first.AddDate(0, 0, 4)) {
		t.Errorf("of two days %v, %v", lines, err)
	}
}
