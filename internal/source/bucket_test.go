package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

func init() { resumeWait = time.Millisecond }

func TestBucketLayouts(t *testing.T) {
	const file = "eu-west-1/2026/11/03/111122223333_CloudTrail_eu-west-1_20261103T1200Z_aaaaaaaaaaaaaaaa.json.gz"
	for _, tt := range []struct {
		name, key, spec string
		org             string
		region          bool // the listing asks for the days of a region
	}{
		{"bucket", tree + file, "", "", true},
		{"trail with a prefix", "prod/" + tree + file, "", "", true},
		{"prefix given", "prod/" + tree + file, "/prod", "", true},
		{"AWSLogs given", tree + file, "/AWSLogs/", "", true},
		{"account given", tree + file, "/AWSLogs/111122223333", "", true},
		{"CloudTrail given", tree + file, "/" + tree, "", true},
		{"region given", tree + file, "/" + tree + "eu-west-1/", "", true},
		{"year given", tree + file, "/" + tree + "eu-west-1/2026/", "", false},
		{"day given", tree + file, "/" + tree + "eu-west-1/2026/11/03", "", false},
		{"object given", tree + file, "/" + tree + file, "", false},
		{"organization", "AWSLogs/o-abcde12345/111122223333/CloudTrail/" + file, "", "o-abcde12345", true},
		{"organization given", "AWSLogs/o-abcde12345/111122223333/CloudTrail/" + file, "/AWSLogs/o-abcde12345", "o-abcde12345", true},
		{"Control Tower", "o-abcde12345/AWSLogs/o-abcde12345/111122223333/CloudTrail/" + file, "", "o-abcde12345", true},
		{"copied region", file, "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeS3(t, map[string][]byte{
				tt.key:                           []byte("x"),
				"elsewhere/athena-results/a.csv": nil,
			})
			objects, _ := list(t, f.source(t, "s3://"+fakeBucket+tt.spec), day(3), day(4))
			if len(objects) != 1 || objects[0].Key != "s3://"+fakeBucket+"/"+tt.key || objects[0].Organization != tt.org {
				t.Fatalf("objects %+v", objects)
			}
			asked := strings.Join(f.asked(), "\n")
			if got := strings.Contains(asked, "start-after="); got != tt.region {
				t.Errorf("asked for days: %v, want %v\n%s", got, tt.region, asked)
			}
		})
	}
}

// A listing of one day must not page through years of others.
func TestBucketListsOnlyTheDaysAsked(t *testing.T) {
	objects := map[string][]byte{}
	for d := day(1).AddDate(-1, 0, 0); d.Before(day(30)); d = d.AddDate(0, 0, 1) {
		for m := range 3 {
			key := fmt.Sprintf("%seu-west-1/%s/111122223333_CloudTrail_eu-west-1_%sT%02d00Z_aaaaaaaaaaaaaaaa.json.gz",
				tree, d.Format("2006/01/02"), d.Format("20060102"), m)
			objects[key] = nil
		}
	}
	f := newFakeS3(t, objects)
	f.pageSize = 10
	got, _ := list(t, f.source(t, "s3://"+fakeBucket+"/"), day(10), day(11))
	if len(got) != 4*3 { // the 10th, the 11th, and two days of late delivery
		t.Errorf("%d objects, want 12", len(got))
	}
	if asked := f.asked(); len(asked) > 6 {
		t.Errorf("%d requests:\n%s", len(asked), strings.Join(asked, "\n"))
	}
}

func TestBucketOfManyRegionsKeepsTheOrder(t *testing.T) {
	objects := map[string][]byte{}
	for a := range 12 {
		for _, region := range []string{"eu-west-1", "us-east-1", "ap-southeast-2"} {
			for m := range 7 {
				key := fmt.Sprintf("AWSLogs/%012d/CloudTrail/%s/2026/11/03/%012d_CloudTrail_%s_20261103T%02d00Z_aaaaaaaaaaaaaaaa.json.gz", a, region, a, region, m)
				objects[key] = nil
			}
		}
	}
	f := newFakeS3(t, objects)
	f.pageSize = 2
	_, keys := list(t, f.source(t, "s3://"+fakeBucket), time.Time{}, time.Time{})
	if len(keys) != len(objects) || !slices.IsSorted(keys) {
		t.Errorf("%d keys of %d, sorted %v", len(keys), len(objects), slices.IsSorted(keys))
	}
}

// One region that cannot be listed does not cost the others.
func TestBucketPartlyDenied(t *testing.T) {
	f := newFakeS3(t, map[string][]byte{logs[0]: nil, logs[5]: nil, logs[6]: nil})
	f.fail = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if strings.Contains(r.URL.Query().Get("prefix"), "444455556666") {
			s3Error(w, http.StatusForbidden, "AccessDenied", "Access Denied")
			return true
		}
		return false
	}
	var keys int
	var errs []string
	for _, err := range f.source(t, "s3://"+fakeBucket).List(t.Context(), Bounds{}) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		keys++
	}
	want := []string{"list s3://trail-logs/AWSLogs/444455556666/CloudTrail/: not allowed to call s3:ListBucket"}
	if diff := cmp.Diff(want, errs); diff != "" || keys != 2 {
		t.Errorf("%d keys, errors (-want +got):\n%s", keys, diff)
	}
}

func TestBucketErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(w http.ResponseWriter)
		want string
		hint string
	}{
		{"missing", func(w http.ResponseWriter) { s3Error(w, 404, "NoSuchBucket", "no") },
			"list s3://trail-logs/: the bucket does not exist", "check its name"},
		{"denied", func(w http.ResponseWriter) { s3Error(w, 403, "AccessDenied", "Access Denied") },
			"list s3://trail-logs/: not allowed to call s3:ListBucket", "deploy/policy/collect-from-s3.json"},
		{"wrong region", func(w http.ResponseWriter) {
			w.Header().Set("x-amz-bucket-region", "eu-central-1")
			s3Error(w, 301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")
		}, "list s3://trail-logs/: the bucket is in region eu-central-1", "AWS_REGION=eu-central-1"},
		{"wrong region, signed for another", func(w http.ResponseWriter) {
			s3Error(w, 400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-3'")
		}, "list s3://trail-logs/: the bucket is in region eu-west-3", "AWS_REGION=eu-west-3"},
		{"expired", func(w http.ResponseWriter) { s3Error(w, 400, "ExpiredToken", "The provided token has expired.") },
			"list s3://trail-logs/: the AWS credentials have expired", "aws sso login"},
		{"unknown key", func(w http.ResponseWriter) { s3Error(w, 403, "InvalidAccessKeyId", "no") },
			"list s3://trail-logs/: AWS does not accept the credentials (InvalidAccessKeyId)", "AWS_PROFILE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeS3(t, nil)
			f.fail = func(w http.ResponseWriter, _ *http.Request, _ int) bool { tt.fail(w); return true }
			var errs []error
			for _, err := range f.source(t, "s3://"+fakeBucket).List(t.Context(), Bounds{}) {
				errs = append(errs, err)
			}
			if len(errs) != 1 || errs[0] == nil || errs[0].Error() != tt.want {
				t.Fatalf("errors %v, want %q", errs, tt.want)
			}
			var hinted interface{ Hint() string }
			if !errors.As(errs[0], &hinted) || !strings.Contains(hinted.Hint(), tt.hint) {
				t.Errorf("hint of %v does not say %q", errs[0], tt.hint)
			}
		})
	}
}

var bigKey = logs[1]

// big has no repeats, so that a wrong offset shows.
var big = func() []byte {
	var b strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&b, "%d,", i)
	}
	return []byte(b.String())
}()

// cutting makes the first cuts reads break after so many bytes of their body.
func cutting(f *fakeS3, cuts, after int) {
	f.fail = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if !strings.HasSuffix(r.URL.Path, ".json.gz") || cuts == 0 {
			return false
		}
		cuts--
		body, status := big, 200
		w.Header().Set("ETag", fakeETag(big))
		if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			var start int
			fmt.Sscanf(from, "%d-", &start)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(body)-1, len(body)))
			body, status = body[start:], 206
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		w.Write(body[:min(after, len(body))])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestReadGoesOnWhereItBroke(t *testing.T) {
	f := newFakeS3(t, map[string][]byte{bigKey: big})
	s := f.source(t, "s3://"+fakeBucket)
	objects, _ := list(t, s, time.Time{}, time.Time{})
	f.asked()
	cutting(f, 9, 20_000)
	if got := readAll(t, s, objects[0]); got != string(big) {
		t.Errorf("read %d bytes, want %d, or others than there were", len(got), len(big))
	}
	asked := f.asked()
	if len(asked) != 10 {
		t.Errorf("%d requests, want 10:\n%s", len(asked), strings.Join(asked, "\n"))
	}
	if !strings.HasSuffix(asked[1], "bytes=20000-") {
		t.Errorf("second request %q", asked[1])
	}
}

func TestReadThatNeverComesGivesUp(t *testing.T) {
	f := newFakeS3(t, map[string][]byte{bigKey: big})
	s := f.source(t, "s3://"+fakeBucket)
	objects, _ := list(t, s, time.Time{}, time.Time{})
	cutting(f, 1000, 0)
	r, err := s.Open(t.Context(), objects[0])
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err == nil || !strings.Contains(err.Error(), "the connection broke 6 times at byte 0") {
		t.Errorf("error %v", err)
	}
}

func TestReadOfAnObjectThatChangesInTheMiddle(t *testing.T) {
	f := newFakeS3(t, map[string][]byte{bigKey: big})
	s := f.source(t, "s3://"+fakeBucket)
	objects, _ := list(t, s, time.Time{}, time.Time{})
	cutting(f, 1, 20_000)
	r, err := s.Open(t.Context(), objects[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.set(bigKey, []byte("another"))
	if _, err := io.ReadAll(r); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
}

func TestServerErrorsAreRetried(t *testing.T) {
	f := newFakeS3(t, map[string][]byte{bigKey: big})
	client := func(context.Context) (*s3.Client, error) {
		c, err := f.client(t.Context())
		return s3.New(c.Options(), func(o *s3.Options) { o.RetryMaxAttempts = 4 }), err
	}
	failed := map[string]int{}
	f.fail = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		kind := "list"
		if strings.HasSuffix(r.URL.Path, ".gz") {
			kind = "get"
		}
		failed[kind]++
		switch failed[kind] {
		case 1:
			s3Error(w, 503, "SlowDown", "Please reduce your request rate.")
		case 2:
			s3Error(w, 500, "InternalError", "We encountered an internal error. Please try again.")
		default:
			return false
		}
		return true
	}
	s := parse(t, "s3://"+fakeBucket, Deps{S3: client})
	objects, _ := list(t, s, time.Time{}, time.Time{})
	if got := readAll(t, s, objects[0]); got != string(big) {
		t.Error("read something else")
	}
}

// CloudTrail may set Content-Encoding: gzip, which HTTP clients like to undo;
// the bytes must come as they are stored, or offsets and sizes lie.
func TestContentEncodingIsNotUndone(t *testing.T) {
	gz := []byte("\x1f\x8b\x08\x00 not really gzip")
	f := newFakeS3(t, map[string][]byte{bigKey: gz})
	f.encoding = "gzip"
	s := f.source(t, "s3://"+fakeBucket)
	objects, _ := list(t, s, time.Time{}, time.Time{})
	if got := readAll(t, s, objects[0]); got != string(gz) {
		t.Errorf("read %q", got)
	}
}

func TestClientOfAnotherEndpointIsPathStyle(t *testing.T) {
	for endpoint, want := range map[string]bool{"http://localhost:9000": true, "": false} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		conn, err := awsconn.New(t.Context(), awsconn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := conn.Config(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := NewClient(cfg).Options().UsePathStyle; got != want {
			t.Errorf("endpoint %q: path style %v, want %v", endpoint, got, want)
		}
	}
}
