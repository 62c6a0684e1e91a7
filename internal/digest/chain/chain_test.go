package chain

import (
	"strings"
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	f := func(key string, want Name) {
		t.Helper()
		if got, ok := ParseName(key); !ok || got != want {
			t.Errorf("%s: got %+v, %v", key, got, ok)
		}
	}
	at := time.Date(2026, 11, 2, 12, 0, 9, 0, time.UTC)
	f("prod/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/02/111122223333_CloudTrail-Digest_eu-west-1_all_events_us-east-1_20261102T120009Z.json.gz",
		Name{Chain{"111122223333", "eu-west-1", "all_events", "us-east-1"}, at, false})
	f("111122223333_CloudTrail-Digest_eu-west-1_t_us-gov-west-1_20261102T120009Z_backfill.json.gz",
		Name{Chain{"111122223333", "eu-west-1", "t", "us-gov-west-1"}, at, true})
	for _, key := range []string{
		"", "/", "111122223333_CloudTrail_eu-west-1_20261102T1200Z_abc.json.gz",
		"111122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20261302T120009Z.json.gz",
		"111122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20261102T120009Z.json",
	} {
		if got, ok := ParseName(key); ok {
			t.Errorf("%q: got %+v", key, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"digestPublicKeyFingerprint":"f","digestS3Bucket":"b","digestS3Object":"k","previousDigestSignature":null,"digestEndTime":"2026-11-02T12:00:00Z","digestStartTime":"2026-11-02T11:00:00Z","logFiles":[{"s3Object":"l","hashValue":"0"}]}`))
	f.Add([]byte(`{"logFiles":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err == nil && (d.Start.IsZero() && !strings.Contains(string(data), "0001") || d.signed(data) == "") {
			t.Errorf("%q: %+v", data, d)
		}
	})
}

func TestParseKeyRefuses(t *testing.T) {
	for value, want := range map[string]string{"": "public key", "!": "illegal base64", "aGVsbG8=": "asn1", strings.Repeat("A", 5000): "want at most"} {
		if _, err := ParseKey(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", value, err, want)
		}
	}
}
