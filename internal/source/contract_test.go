package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// A place is where the contract puts log files for a source to find.
type place struct {
	source  Source
	put     func(key string, body []byte)
	fullKey func(key string) string
}

// places are the kinds of sources that hold many files.
var places = map[string]func(t *testing.T) place{
	"folder": func(t *testing.T) place {
		root := t.TempDir()
		return place{
			source: parse(t, root, Deps{}),
			put: func(key string, body []byte) {
				name := filepath.Join(root, filepath.FromSlash(key))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, body, 0o644); err != nil {
					t.Fatal(err)
				}
			},
			fullKey: func(key string) string { return filepath.ToSlash(root) + "/" + key },
		}
	},
	"bucket": func(t *testing.T) place {
		f := newFakeS3(t, map[string][]byte{})
		f.pageSize = 2
		return place{
			source:  f.source(t, "s3://"+fakeBucket),
			put:     f.set,
			fullKey: func(key string) string { return "s3://" + fakeBucket + "/" + key },
		}
	},
	"bucket of a real server": func(t *testing.T) place {
		server := s3test.Start(t)
		name := server.Bucket(t)
		d := Deps{S3: func(context.Context) (*s3.Client, error) { return server.Client(), nil }}
		return place{
			source:  parse(t, "s3://"+name+"/", d),
			put:     func(key string, body []byte) { server.Put(t, name, key, body) },
			fullKey: func(key string) string { return "s3://" + name + "/" + key },
		}
	},
}

func parse(t testing.TB, spec string, d Deps) Source {
	t.Helper()
	s, err := Parse(t.Context(), spec, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list returns the keys of what s lists, without the part that full adds.
func list(t testing.TB, s Source, from, to time.Time) (objects []Object, keys []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), Bounds{From: from, To: to}) {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
		keys = append(keys, o.Key)
	}
	return objects, keys
}

func readAll(t testing.TB, s Source, o Object) string {
	t.Helper()
	r, err := s.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func day(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }

const (
	tree  = "AWSLogs/111122223333/CloudTrail/"
	other = "AWSLogs/444455556666/CloudTrail/"
)

// logs is one account's trail, in the order of keys, and what else lies there.
var logs = []string{
	tree + "eu-west-1/2026/11/01/111122223333_CloudTrail_eu-west-1_20261101T0005Z_aaaaaaaaaaaaaaaa.json.gz",
	tree + "eu-west-1/2026/11/03/111122223333_CloudTrail_eu-west-1_20261103T1200Z_bbbbbbbbbbbbbbbb.json.gz",
	tree + "eu-west-1/2026/11/04/111122223333_CloudTrail_eu-west-1_20261104T0000Z_cccccccccccccccc.json.gz",
	tree + "eu-west-1/2026/11/04/111122223333_CloudTrail_eu-west-1_20261104T0005Z_dddddddddddddddd.json.gz",
	tree + "eu-west-1/2026/11/09/111122223333_CloudTrail_eu-west-1_20261109T2355Z_eeeeeeeeeeeeeeee.json.gz",
	tree + "us-east-1/2026/11/03/111122223333_CloudTrail_us-east-1_20261103T0600Z_ffffffffffffffff.json.gz",
	other + "us-east-1/2026/11/03/444455556666_CloudTrail_us-east-1_20261103T0605Z_gggggggggggggggg.json.gz",
}

var noLogs = []string{
	"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/03/111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20261103T120000Z.json.gz",
	"AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/11/03/111122223333_CloudTrail-Insight_eu-west-1_20261103T1200Z_a.json.gz",
	"AWSLogs/111122223333/CloudTrail-NetworkActivity/eu-west-1/2026/11/03/x.json.gz",
	"AWSLogs/111122223333/CloudTrail-Aggregated/eu-west-1/2026/11/03/x.json.gz",
	"AWSLogs/111122223333/Config/eu-west-1/2026/11/3/ConfigHistory/x.json.gz",
	"AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/03/x.log.gz",
	tree + "eu-west-1/2026/11/03/ORIGIN.txt",
	tree + "eu-west-1/2026/11/03/.DS_Store",
	tree + "eu-west-1/2026/11/03/._a.json",
}

func TestContract(t *testing.T) {
	for name, make := range places {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			for _, k := range append(append([]string{}, logs...), noLogs...) {
				p.put(k, []byte("body of "+k))
			}
			full := func(keys ...string) (out []string) {
				for _, k := range keys {
					out = append(out, p.fullKey(k))
				}
				return out
			}

			t.Run("everything, in order, twice the same", func(t *testing.T) {
				objects, keys := list(t, p.source, time.Time{}, time.Time{})
				if diff := cmp.Diff(full(logs...), keys); diff != "" {
					t.Errorf("keys (-want +got):\n%s", diff)
				}
				again, _ := list(t, p.source, time.Time{}, time.Time{})
				if diff := cmp.Diff(objects, again); diff != "" {
					t.Errorf("second listing differs:\n%s", diff)
				}
				first := objects[0]
				if first.Account != "111122223333" || first.Region != "eu-west-1" || first.ETag == "" ||
					!first.Delivered.Equal(time.Date(2026, 11, 1, 0, 5, 0, 0, time.UTC)) ||
					first.Size != int64(len("body of "+logs[0])) {
					t.Errorf("object %+v", first)
				}
			})
			t.Run("window", func(t *testing.T) {
				for _, tt := range []struct {
					from, to time.Time
					want     []string
				}{
					{from: day(4), want: full(logs[2], logs[3], logs[4])},
					{from: day(4).Add(15 * time.Hour), want: full(logs[2], logs[3], logs[4])},
					{to: day(1), want: full(logs[0], logs[1], logs[5], logs[6])},
					{from: day(2), to: day(2), want: full(logs[1], logs[2], logs[3], logs[5], logs[6])},
					{from: day(5), to: day(6), want: nil},
					{from: day(10), want: nil},
				} {
					_, keys := list(t, p.source, tt.from, tt.to)
					if diff := cmp.Diff(tt.want, keys); diff != "" {
						t.Errorf("%v to %v (-want +got):\n%s", tt.from, tt.to, diff)
					}
				}
			})
			t.Run("loop that ends early", func(t *testing.T) {
				for range p.source.List(t.Context(), Bounds{}) {
					break
				}
			})
			t.Run("open", func(t *testing.T) {
				objects, _ := list(t, p.source, time.Time{}, time.Time{})
				for i, o := range objects {
					if got, want := readAll(t, p.source, o), "body of "+logs[i]; got != want {
						t.Errorf("%s: %q, want %q", o.Key, got, want)
					}
				}
			})
			t.Run("changed after the listing", func(t *testing.T) {
				objects, _ := list(t, p.source, time.Time{}, time.Time{})
				p.put(logs[0], []byte("something else"))
				if _, err := p.source.Open(t.Context(), objects[0]); !errors.Is(err, ErrChanged) {
					t.Errorf("error %v, want ErrChanged", err)
				} else if !strings.Contains(err.Error(), objects[0].Key) {
					t.Errorf("error %q does not name the object", err)
				}
				objects, _ = list(t, p.source, time.Time{}, time.Time{})
				if got := readAll(t, p.source, objects[0]); got != "something else" {
					t.Errorf("the new listing reads %q", got)
				}
			})
			t.Run("gone after the listing", func(t *testing.T) {
				o := Object{Key: p.fullKey(tree + "eu-west-1/2026/11/03/gone.json.gz")}
				if _, err := p.source.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "read "+o.Key+": ") {
					t.Errorf("error %v", err)
				}
			})
			t.Run("cancelled", func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				var errs int
				for _, err := range p.source.List(ctx, Bounds{}) {
					if err == nil {
						continue
					}
					errs++
				}
				if errs == 0 {
					t.Error("a cancelled listing ends without an error")
				}
			})
		})
	}
}

func TestContractWithoutLogs(t *testing.T) {
	for name, make := range places {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			p.put("README.md", []byte("nothing"))
			for _, k := range noLogs {
				// A region's folder is taken to hold log files: whether it holds
				// any outside the window is not asked.
				if !strings.HasPrefix(k, tree) {
					p.put(k, nil)
				}
			}
			var errs []error
			for o, err := range p.source.List(t.Context(), Bounds{From: day(1), To: day(2)}) {
				if err == nil {
					t.Errorf("listed %s", o.Key)
				}
				errs = append(errs, err)
			}
			if len(errs) != 1 || !errors.Is(errs[0], ErrNoLogs) {
				t.Errorf("errors %v, want ErrNoLogs once", errs)
			}
		})
	}
}

func TestContractTreeWithoutUpperFolders(t *testing.T) {
	for name, make := range places {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			keys := []string{
				"eu-west-1/2026/11/01/111122223333_CloudTrail_eu-west-1_20261101T0005Z_aaaaaaaaaaaaaaaa.json.gz",
				"eu-west-1/2026/11/09/111122223333_CloudTrail_eu-west-1_20261109T0005Z_bbbbbbbbbbbbbbbb.json.gz",
				"flat/111122223333_CloudTrail_eu-west-1_20261101T0010Z_cccccccccccccccc.json",
				"flat/events.jsonl",
			}
			for _, k := range keys {
				p.put(k, nil)
			}
			_, got := list(t, p.source, day(8), time.Time{})
			want := []string{p.fullKey(keys[1]), p.fullKey(keys[3])} // the last one's name tells nothing
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// TestContractUnits: the units of a day, hour by hour and region by region,
// hold each log file of the day once.
func TestContractUnits(t *testing.T) {
	for name, make := range places {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			for _, k := range append(append([]string{}, logs...), noLogs...) {
				p.put(k, nil)
			}
			var got, want []string
			for _, account := range []string{"111122223333", "444455556666"} {
				for _, region := range []string{"eu-west-1", "us-east-1", "us-west-2"} {
					for hour := range 24 {
						from := day(3).Add(time.Duration(hour) * time.Hour)
						b := Bounds{From: from, To: from.Add(time.Hour), Exact: true, Account: account, Region: region}
						for o, err := range p.source.List(t.Context(), b) {
							if err != nil {
								t.Fatal(err)
							}
							if o.Delivered.Before(b.From) || !o.Delivered.Before(b.To) || o.Account != account || o.Region != region {
								t.Errorf("%+v holds %s", b, o.Key)
							}
							got = append(got, o.Key)
						}
					}
				}
			}
			for _, k := range logs {
				if strings.Contains(k, "/2026/11/03/") {
					want = append(want, p.fullKey(k))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}
