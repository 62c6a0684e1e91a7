package scale

import (
	"flag"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

var update = flag.Bool("update", false, "write docs/scale.md")

const page = "../../docs/scale.md"

// organization is the one of docs/scale.md: of 5,000 accounts, it has 100 GB of
// gzip and two million statements a day.
func organization(accounts int, byAccount bool) Organization {
	return Organization{Accounts: accounts, Quiet: 14, Active: 3, Starts: 400, Files: 50, FileSize: 16_700, ByAccount: byAccount}
}

// TestScale measures small organizations, compares the model with a real S3
// server, what it says of a third size with that size, and the page with what
// it says. It is one test, since what the first bubble of synctest leaves in
// the process's pools cannot be used outside.
func TestScale(t *testing.T) {
	athena, err := NewAthena()
	if err != nil {
		t.Fatal(err)
	}
	defer athena.Close()
	tiny := Organization{Accounts: 2, Quiet: 1, Active: 1, Starts: 20, Files: 2, FileSize: 16_700}
	real := onServer(t, tiny, athena)

	// Eight partitions are derived at once, so that sizes whose partitions are
	// a multiple of eight tell how long deriving takes. They take minutes.
	sizes, exact := []int{1, 2, 3}, *update || os.Getenv("ATHENATRAIL_SOAK") == "1"
	if exact {
		sizes = []int{8, 16}
	}
	m := map[bool][]*Measured{}
	var modelled *Measured
	synctest.Test(t, func(t *testing.T) {
		measure := func(o Organization) *Measured {
			m, err := Measure(t.Context(), o, Assumed, athena)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		modelled = measure(tiny)
		for _, byAccount := range []bool{false, true} {
			for _, accounts := range sizes {
				m[byAccount] = append(m[byAccount], measure(organization(accounts, byAccount)))
			}
		}
	})
	t.Run("a real server is asked the same", func(t *testing.T) {
		// Workers that need the same file at the same moment both read it.
		if math.Abs(float64(real.Derive.Get-modelled.Derive.Get)) <= 16 {
			real.Derive.Get = modelled.Derive.Get
		}
		if real.Collect != modelled.Collect || real.Derive != modelled.Derive || real.Wanted != modelled.Wanted || real.Days != modelled.Days || math.Abs(float64(real.Lake-modelled.Lake)) > 100 {
			t.Errorf("of the server:\n%+v\nof the model:\n%+v", *real, *modelled)
		}
		if real.Days == 0 || real.Wanted == 0 {
			t.Error("nothing was collected")
		}
	})
	t.Run("a larger organization costs in proportion", func(t *testing.T) {
		for _, m := range m {
			if len(m) < 3 {
				continue
			}
			for name, of := range map[string]func(*Measured) float64{
				"LIST":        func(m *Measured) float64 { return float64(m.Collect.List + m.Derive.List) },
				"GET":         func(m *Measured) float64 { return float64(m.Collect.Get + m.Derive.Get) },
				"PUT":         func(m *Measured) float64 { return float64(m.Collect.Put + m.Derive.Put) },
				"collecting":  func(m *Measured) float64 { return m.Collected.Seconds() },
				"deriving":    func(m *Measured) float64 { return m.Derived.Seconds() },
				"days' lists": func(m *Measured) float64 { return float64(m.DayLists) },
				"the lake":    func(m *Measured) float64 { return float64(m.Lake) },
			} {
				if name == "deriving" {
					continue // see sizes
				}
				if got, want := of(m[2]), line(m[0], m[1], of, sizes[2]); math.Abs(got-want) > 0.1*want {
					t.Errorf("%s of %d accounts: %.0f; reckoned from %d and %d: %.0f", name, sizes[2], got, sizes[0], sizes[1], want)
				}
			}
		}
	})
	t.Run("the page", func(t *testing.T) {
		var text strings.Builder
		for _, table := range []struct {
			plan      Plan
			byAccount bool
		}{{Hours, false}, {Accounts, true}} {
			var points []Point
			for _, n := range []int{1, 10, 100, 1000, 5000} {
				points = append(points, At(m[table.byAccount][0], m[table.byAccount][1], table.plan, n))
			}
			title := "Units of an hour of all accounts, 24 at once (the default)"
			if table.byAccount {
				title = "Units of a day of one account, 200 at once (ShardBy=account, MaxConcurrency=200)"
			}
			text.WriteString(title + ":\n\n" + Table(points) + "\n")
		}
		t.Log("\n" + text.String())
		comparePage(t, text.String())
	})
}

func comparePage(t *testing.T, want string) {
	const begin, end = "<!-- scale -->\n", "<!-- /scale -->"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Which of several goroutines comes first moves times, so that of the page
	// the requests are compared.
	rows := func(text string) (all [][]string) {
		for row := range strings.SplitSeq(text, "\n") {
			if cells := strings.Split(row, "|"); len(cells) > 5 {
				all = append(all, cells[1:5])
			}
		}
		return all
	}
	is, should := rows(got), rows(want)
	if len(is) != len(should) {
		t.Fatalf("%s has %d rows, want %d: go test ./internal/scale -args -update", page, len(is), len(should))
	}
	for i := range should {
		for j := range should[i] {
			a, b := amount(is[i][j]), amount(should[i][j])
			if math.Abs(a-b) > 0.15*b {
				t.Errorf("%s: row %d: %q, want %q: go test ./internal/scale -args -update", page, i+1, is[i], should[i])
			}
		}
	}
}

// amount reads what number writes; of another text it is zero.
func amount(cell string) float64 {
	text, unit, _ := strings.Cut(strings.TrimSpace(cell), " ")
	x, _ := strconv.ParseFloat(text, 64)
	return x * map[string]float64{"": 1, "k": 1e3, "M": 1e6}[unit]
}

// counting counts what a client asks of a server.
type counting struct {
	mu sync.Mutex
	n  Counts
}

func (c *counting) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	switch {
	case r.URL.Query().Has("list-type"):
		c.n.List++
	case r.Method == http.MethodPut:
		c.n.Put++
	case r.Method == http.MethodDelete:
		c.n.Delete++
	default:
		c.n.Get++
	}
	c.mu.Unlock()
	return http.DefaultClient.Do(r)
}

// onServer measures an organization on a real S3 server.
func onServer(t *testing.T, o Organization, athena *athenaapitest.Server) *Measured {
	t.Helper()
	server := s3test.Start(t)
	client := server.Client()
	for _, name := range []string{"trail", "lake"} {
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for key, f := range o.logFiles() {
		server.Put(t, "trail", key, f.data)
	}
	count := &counting{}
	counted := server.NewClient(func(o *s3.Options) { o.HTTPClient = count })
	size := func() (n int64) {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String("lake")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				n += *o.Size
			}
		}
		return n
	}
	m, err := measure(t.Context(), o, Latency{}, athena, counted, counted, func() Counts {
		count.mu.Lock()
		defer count.mu.Unlock()
		return count.n
	}, size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
