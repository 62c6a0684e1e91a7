package source

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A fakeS3 answers listings and reads of one bucket, and fails as told. What a
// real server does is tested with s3test; this one is for what a real server
// cannot be made to do.
type fakeS3 struct {
	*httptest.Server
	mu       sync.Mutex
	objects  map[string][]byte
	encoding string // Content-Encoding of every object
	requests []string
	pageSize int

	// fail, when set, may answer in the server's place: it reports whether it
	// has. It is called with requests numbered from 1.
	fail func(w http.ResponseWriter, r *http.Request, n int) bool
}

const fakeBucket = "trail-logs"

func newFakeS3(t testing.TB, objects map[string][]byte) *fakeS3 {
	f := &fakeS3{objects: objects, pageSize: 1000}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeS3) client(context.Context) (*s3.Client, error) {
	return NewClient(aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(f.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}), nil
}

func (f *fakeS3) source(t testing.TB, spec string) Source {
	t.Helper()
	s, err := Parse(t.Context(), spec, Deps{S3: f.client, Jobs: 3})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fakeETag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func s3Error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Range"))
	n := len(f.requests)
	fail := f.fail
	f.mu.Unlock()
	if fail != nil && fail(w, r, n) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key, ok := strings.CutPrefix(r.URL.Path, "/"+fakeBucket)
	if !ok {
		s3Error(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if key = strings.TrimPrefix(key, "/"); key == "" {
		f.list(w, r)
		return
	}
	body, ok := f.objects[key]
	if !ok {
		s3Error(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != fakeETag(body) {
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	w.Header().Set("ETag", fakeETag(body))
	if f.encoding != "" {
		w.Header().Set("Content-Encoding", f.encoding)
	}
	status := http.StatusOK
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		start, _ := strconv.Atoi(strings.TrimSuffix(from, "-"))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(body)-1, len(body)))
		body, status = body[start:], http.StatusPartialContent
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request) {
	type content struct {
		Key          string
		Size         int
		ETag         string
		LastModified string
	}
	type common struct{ Prefix string }
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
		CommonPrefixes        []common
	}
	q := r.URL.Query()
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	after := cmp.Or(q.Get("continuation-token"), q.Get("start-after"))
	limit := f.pageSize
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		limit = min(limit, n)
	}
	var keys []string
	for k := range f.objects {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	count := 0
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) || k <= after || delimiter != "" && strings.HasSuffix(after, delimiter) && strings.HasPrefix(k, after) {
			continue
		}
		if count == limit {
			out.IsTruncated = true
			break
		}
		if i := strings.Index(k[len(prefix):], "/"); delimiter != "" && i >= 0 {
			p := k[:len(prefix)+i+1]
			if n := len(out.CommonPrefixes); n == 0 || out.CommonPrefixes[n-1].Prefix != p {
				out.CommonPrefixes = append(out.CommonPrefixes, common{p})
				count++
			}
			out.NextContinuationToken = p
			continue
		}
		body := f.objects[k]
		out.Contents = append(out.Contents, content{k, len(body), fakeETag(body), time.Unix(0, 0).UTC().Format(time.RFC3339)})
		out.NextContinuationToken = k
		count++
	}
	if !out.IsTruncated {
		out.NextContinuationToken = ""
	}
	w.Header().Set("Content-Type", "application/xml")
	xml.NewEncoder(w).Encode(out)
}

func (f *fakeS3) set(key string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[key] = body
}

// asked returns the requests since the last call.
func (f *fakeS3) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := f.requests
	f.requests = nil
	return requests
}
