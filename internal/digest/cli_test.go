package digest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
	"github.com/athenatrail/athenatrail/internal/digest/digesttest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

var (
	noon   = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	signer = newKey("0123456789abcdef0123456789abcdef", noon.AddDate(0, -1, 0), noon.AddDate(0, 1, 0))
	later  = newKey("11111111111111111111111111111111", noon.AddDate(0, 2, 0), noon.AddDate(0, 3, 0))
	forger = newKey("0123456789abcdef0123456789abcdef", noon, noon)
)

func newKey(fingerprint string, from, to time.Time) digesttest.Key {
	k, err := digesttest.NewKey(fingerprint, from, to)
	if err != nil {
		panic(err)
	}
	return k
}

// newTrail returns a trail of four hours before noon, with two log files in
// each but the third, which has none.
func newTrail(bucket string) *digesttest.Trail {
	t := &digesttest.Trail{Bucket: bucket, Prefix: "prod/", Account: "111122223333", Region: "eu-west-1", Name: "management-events", Home: "us-east-1", Key: signer}
	for h := -3; h <= 0; h++ {
		end := noon.Add(time.Duration(h) * time.Hour)
		if h != -1 {
			hour(t, end)
		}
		t.Digest(end)
	}
	return t
}

func hour(t *digesttest.Trail, end time.Time) {
	for _, minutes := range []int{50, 10} {
		at := end.Add(-time.Duration(minutes) * time.Minute)
		t.Log(at, "AbCdEfGhIjKlMnOp", `{"Records":[{"eventID":"`+at.Format(time.RFC3339)+`"}]}`)
	}
}

// A tampering is what somebody did to a trail, and what is to be seen of it.
type tampering struct {
	name string
	do   func(t *digesttest.Trail)

	// bad are the objects that both the AWS CLI and we find invalid or
	// missing, as parts of their keys.
	bad []string

	// more is what we find and the AWS CLI does not.
	more []string
}

// rewrite changes the uncompressed content of an object.
func rewrite(t *digesttest.Trail, key string, from, to string) {
	o := t.Objects[key]
	text := string(digesttest.Gunzip(o.Data))
	if !strings.Contains(text, from) {
		panic("no " + from + " in " + text)
	}
	o.Data = digesttest.Gzip([]byte(strings.Replace(text, from, to, 1)))
}

func logOf(t *digesttest.Trail, end time.Time) string {
	return t.LogKey(end.Add(-50*time.Minute), "AbCdEfGhIjKlMnOp")
}

// The digest of 11:00 names the log files of 10:10 and 10:50; that of noon is
// the newest.
const (
	digest10, digest11, digest12 = "T100000Z.json.gz", "T110000Z.json.gz", "T120000Z.json.gz"
	log1110                      = "T1110Z_AbCdEfGhIjKlMnOp.json.gz"
)

func tamperings() []tampering {
	digest := func(t *digesttest.Trail, ending string) string {
		i := slices.IndexFunc(t.Digests, func(k string) bool { return strings.HasSuffix(k, ending) })
		return t.Digests[i]
	}
	return []tampering{
		{name: "nothing", do: func(t *digesttest.Trail) {}},
		{name: "a log file changed", do: func(t *digesttest.Trail) { rewrite(t, logOf(t, noon), "eventID", "eventId") }, bad: []string{log1110}},
		{name: "a log file compressed again, with the same content", do: func(t *digesttest.Trail) {
			o := t.Objects[logOf(t, noon)]
			o.Data = append([]byte(nil), o.Data...)
			o.Data[9] = 3 // the header's operating system
		}},
		{name: "a space added to a log file", do: func(t *digesttest.Trail) { rewrite(t, logOf(t, noon), "]}", "] }") }, bad: []string{log1110}},
		{name: "a log file deleted", do: func(t *digesttest.Trail) { delete(t.Objects, logOf(t, noon)) }, bad: []string{log1110}},
		{name: "a log file cut short", do: func(t *digesttest.Trail) {
			o := t.Objects[logOf(t, noon)]
			o.Data = o.Data[:len(o.Data)/2]
		}, bad: []string{log1110}},
		{name: "a log file without the end of its compression", do: func(t *digesttest.Trail) {
			o := t.Objects[logOf(t, noon)]
			o.Data = o.Data[:len(o.Data)-5]
		}},
		{name: "a second stream behind a log file", do: func(t *digesttest.Trail) {
			o := t.Objects[logOf(t, noon)]
			o.Data = append(o.Data, digesttest.Gzip([]byte(`{"Records":[]}`))...)
		}, bad: []string{log1110}},
		{name: "a log file not compressed", do: func(t *digesttest.Trail) {
			o := t.Objects[logOf(t, noon)]
			o.Data = digesttest.Gunzip(o.Data)
		}, bad: []string{log1110}},
		{name: "a log file put there", do: func(t *digesttest.Trail) {
			t.Objects[t.LogKey(noon.Add(-95*time.Minute), "ZzZzZzZzZzZzZzZz")] = &digesttest.Object{Data: digesttest.Gzip([]byte(`{"Records":[]}`))}
		}, more: []string{"unnamed T1025Z_ZzZzZzZzZzZzZzZz.json.gz"}},
		{name: "a digest without a log file", do: func(t *digesttest.Trail) {
			rewrite(t, digest(t, digest12), "AbCdEfGhIjKlMnOp", "AbCdEfGhIjKlMnOq")
		}, bad: []string{digest12}},
		{name: "a space added to a digest", do: func(t *digesttest.Trail) { rewrite(t, digest(t, digest10), `{"`, `{ "`) }, bad: []string{digest10}},
		{name: "a digest deleted", do: func(t *digesttest.Trail) { delete(t.Objects, digest(t, digest10)) }, bad: []string{digest10}},
		{name: "the newest digest deleted", do: func(t *digesttest.Trail) { delete(t.Objects, digest(t, digest12)) }, more: []string{"gap 11:00 12:00"}},
		{name: "no signature", do: func(t *digesttest.Trail) { delete(t.Objects[digest(t, digest11)].Metadata, "signature") }, bad: []string{digest11}},
		{name: "no algorithm of the signature", do: func(t *digesttest.Trail) { delete(t.Objects[digest(t, digest11)].Metadata, "signature-algorithm") }, bad: []string{digest11}},
		{name: "the signature of another digest", do: func(t *digesttest.Trail) {
			t.Objects[digest(t, digest11)].Metadata["signature"] = t.Objects[digest(t, digest10)].Metadata["signature"]
		}, bad: []string{digest11}},
		{name: "a signature that is none", do: func(t *digesttest.Trail) { t.Objects[digest(t, digest11)].Metadata["signature"] = "xyz" }, bad: []string{digest11}},
		{name: "changed, and signed with another key", do: func(t *digesttest.Trail) {
			key := digest(t, digest12)
			rewrite(t, key, "AbCdEfGhIjKlMnOp", "AbCdEfGhIjKlMnOq")
			t.Objects[key].Metadata["signature"] = forger.Sign(digesttest.Gunzip(t.Objects[key].Data))
		}, bad: []string{digest12}},
		{name: "signed with a key that CloudTrail does not have", do: func(t *digesttest.Trail) {
			t.Key.Fingerprint = "ffffffffffffffffffffffffffffffff"
			hour(t, noon.Add(time.Hour))
			t.Digest(noon.Add(time.Hour))
		}, bad: []string{"T130000Z.json.gz"}},
		{name: "signed with a key of another time", do: func(t *digesttest.Trail) {
			t.Key = later
			t.Digest(noon.Add(time.Hour))
		}, bad: []string{"T130000Z.json.gz"}},
		{name: "a digest renamed", do: func(t *digesttest.Trail) {
			key := digest(t, digest11)
			t.Objects[strings.Replace(key, "T110000Z", "T103000Z", 1)] = t.Objects[key]
			delete(t.Objects, key)
		}, bad: []string{digest11, "T103000Z.json.gz"}},
		{name: "an older digest in the place of a newer one", do: func(t *digesttest.Trail) {
			t.Objects[digest(t, digest11)] = t.Objects[digest(t, digest10)]
		}, bad: []string{digest11}},
		{name: "the link taken out", do: func(t *digesttest.Trail) {
			rewrite(t, digest(t, digest12), `"previousDigestSignature":"`, `"previousDigestSignature":null,"was":"`)
		}, bad: []string{digest12}},
		{name: "a member missing", do: func(t *digesttest.Trail) {
			key := digest(t, digest12)
			rewrite(t, key, `"digestStartTime"`, `"digestStart"`)
			t.Objects[key].Metadata["signature"] = signer.Sign(digesttest.Gunzip(t.Objects[key].Data))
		}, bad: []string{digest12}},
		{name: "another hash of the digest before, signed", do: func(t *digesttest.Trail) {
			t.Digest(noon.Add(time.Hour), func(c map[string]any) { c["previousDigestHashValue"] = strings.Repeat("0", 64) })
		}, more: []string{"unlinked " + digest12}},
		{name: "another signature of the digest before, signed", do: func(t *digesttest.Trail) {
			t.Digest(noon.Add(time.Hour), func(c map[string]any) { c["previousDigestSignature"] = strings.Repeat("0", 512) })
		}, more: []string{"unlinked " + digest12}},
		{name: "logging stopped and begun again", do: func(t *digesttest.Trail) {
			t.Stop()
			hour(t, noon.Add(4*time.Hour))
			t.Digest(noon.Add(4 * time.Hour))
		}, more: []string{"gap 12:00 15:00"}},
		{name: "backfill digests", do: func(t *digesttest.Trail) {
			t.Stop()
			for _, at := range []time.Time{noon.Add(time.Hour), noon.Add(2 * time.Hour)} {
				hour(t, at)
				t.Backfill(at, noon.Add(30*time.Hour))
			}
			rewrite(t, logOf(t, noon.Add(2*time.Hour)), "eventID", "eventId")
		}, bad: []string{"T1310Z_AbCdEfGhIjKlMnOp.json.gz"}},
		{name: "a backfill digest changed", do: func(t *digesttest.Trail) {
			t.Stop()
			rewrite(t, t.Backfill(noon.Add(time.Hour), noon.Add(30*time.Hour)), `{"`, `{ "`)
		}, bad: []string{"T130000Z_backfill.json.gz"}},
		{name: "a backfill digest without the time that it was made", do: func(t *digesttest.Trail) {
			t.Stop()
			delete(t.Objects[t.Backfill(noon.Add(time.Hour), noon.Add(30*time.Hour))].Metadata, "backfill-generation-timestamp")
		}, bad: []string{"T130000Z_backfill.json.gz"}},
	}
}

// cliVersion is the AWS CLI that verdicts are compared with, which
// scripts/install-test-servers.sh installs. Older ones read on past the end of
// a compressed log file.
const cliVersion = "aws-cli/1.46.3 "

// awsCLI finds the AWS CLI where the script puts it, then on PATH.
func awsCLI(t *testing.T) string {
	t.Helper()
	local, err := filepath.Abs("../../.tools/bin/aws")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{local, "aws"} {
		out, err := exec.Command(program, "--version").Output()
		if err == nil && strings.HasPrefix(string(out), cliVersion) {
			return program
		}
	}
	message := "no " + cliVersion + "; install it with scripts/install-test-servers.sh"
	if os.Getenv(s3test.ForbidSkip) == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// A verdict is what a program found, in a form that can be compared.
type verdict struct {
	Bad                     []string
	Digests, Backfill, Logs int64 // valid
	Failed                  bool
}

var (
	badLine  = regexp.MustCompile(`(?m)^(?:\(backfill\) )?(?:Digest|Log) file\ts3://\S+/(\S+)\tINVALID`)
	goodLine = regexp.MustCompile(`(?m)^(\(backfill\) )?(Digest|Log) file\ts3://\S+\tvalid$`)
)

func askAWS(t *testing.T, program, s3URL, cloudTrailURL string, trail *digesttest.Trail) verdict {
	t.Helper()
	cmd := exec.Command(program, "--endpoint-url", cloudTrailURL, "--region", trail.Region, "cloudtrail", "validate-logs", "--verbose",
		"--trail-arn", trail.ARN(), "--start-time", noon.Add(-4*time.Hour).Format(time.RFC3339), "--end-time", noon.Add(5*time.Hour).Format(time.RFC3339))
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_S3=" + s3URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test-secret",
		"AWS_EC2_METADATA_DISABLED=true",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if !strings.Contains(out.String(), "Results requested") {
		t.Fatalf("aws: %v\n%s", err, out.String())
	}
	v := verdict{Failed: err != nil}
	for _, m := range badLine.FindAllStringSubmatch(out.String(), -1) {
		v.Bad = append(v.Bad, m[1])
	}
	slices.Sort(v.Bad)
	for _, m := range goodLine.FindAllStringSubmatch(out.String(), -1) {
		switch {
		case m[2] == "Log":
			v.Logs++
		case m[1] != "":
			v.Backfill++
		default:
			v.Digests++
		}
	}
	return v
}

// ours is our verdict on the same, and what we find beyond it.
func ours(reports []*Report) (v verdict, more []string) {
	for _, r := range reports {
		v.Digests += r.Digests[chain.Valid]
		v.Backfill += r.Backfill[chain.Valid]
		v.Logs += r.Logs[chain.Valid]
		for _, f := range r.Findings {
			base := f.Place.Key[strings.LastIndexByte(f.Place.Key, '/')+1:]
			switch f.Result {
			case chain.Invalid, chain.Missing:
				v.Bad = append(v.Bad, base)
				v.Failed = true
			case chain.Gap:
				more = append(more, "gap "+f.From.Format("15:04")+" "+f.To.Format("15:04"))
			default:
				more = append(more, f.Result+" "+base)
			}
		}
	}
	slices.Sort(v.Bad)
	return v, more
}

// upload puts a trail into its bucket.
func upload(t *testing.T, client *s3.Client, trail *digesttest.Trail) {
	t.Helper()
	for key, o := range trail.Objects {
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &trail.Bucket, Key: &key, Body: bytes.NewReader(o.Data), Metadata: o.Metadata}); err != nil {
			t.Fatal(err)
		}
	}
}

func cloudTrail(url string) Keys {
	return AskCloudTrail(func(_ context.Context, region string) (aws.Config, error) {
		return aws.Config{Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test-secret", "")}, nil
	})
}

// A chain that was tampered with in many ways gets, file by file, the verdicts
// of the AWS CLI's validate-logs; what we see beyond them is named.
func TestVerdictsOfTheAWSCLI(t *testing.T) {
	server := s3test.Start(t)
	program := awsCLI(t)
	for i, c := range tamperings() {
		if testing.Short() && i%6 != 1 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			trail := newTrail(server.Bucket(t))
			c.do(trail)
			upload(t, server.Client(), trail)
			keys := digesttest.NewServer(signer, later)
			defer keys.Close()
			keys.Add(trail)
			reports, err := Verify(t.Context(), Options{
				Source: "s3://" + trail.Bucket, S3: func(context.Context) (*s3.Client, error) { return server.Client(), nil },
				Keys: cloudTrail(keys.URL), From: noon.Add(-4 * time.Hour), To: noon.Add(5 * time.Hour), Now: newest(trail).Add(lag),
			})
			if err != nil {
				t.Fatal(err)
			}
			got, more := ours(reports)
			want := askAWS(t, program, server.Endpoint, keys.URL, trail)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the AWS CLI's verdict (-) and ours (+):\n%s", diff)
			}
			bad(t, c, got.Bad, more)
		})
	}
}

// newest is the time of the newest digest that CloudTrail delivered.
func newest(trail *digesttest.Trail) (at time.Time) {
	for _, key := range trail.Digests {
		if n, ok := chain.ParseName(key); ok && n.At.After(at) {
			at = n.At
		}
	}
	return at
}

// bad compares what was found with what a tampering is to show.
func bad(t *testing.T, c tampering, got, more []string) {
	t.Helper()
	if len(got) != len(c.bad) {
		t.Errorf("found %q, want %q", got, c.bad)
	}
	for _, want := range c.bad {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, want) }) {
			t.Errorf("found %q, want %q among them", got, want)
		}
	}
	for _, want := range c.more {
		kind, name, _ := strings.Cut(want, " ")
		if !slices.ContainsFunc(more, func(s string) bool { return strings.HasPrefix(s, kind+" ") && strings.HasSuffix(s, name) }) {
			t.Errorf("found beyond it %q, want %q", more, want)
		}
	}
	if len(c.more) == 0 {
		for _, s := range more {
			if !strings.HasPrefix(s, "gap ") {
				t.Errorf("found beyond it %q, want nothing", s)
			}
		}
	}
}
