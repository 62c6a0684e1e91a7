package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseKey(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const file = "111122223333_CloudTrail_eu-west-1_20261103T1205Z_aBcDeFgHiJkLmNoP.json.gz"
	plain := Name{"111122223333", "eu-west-1", at("2026-11-03 12:05"), ""}
	inOrg := plain
	inOrg.Organization = "o-abcde12345"
	for key, want := range map[string]Name{
		file: plain,
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/" + file:                              plain,
		"s3://b/p/q/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/" + file:                   plain,
		"AWSLogs/o-abcde12345/111122223333/CloudTrail/eu-west-1/2026/11/03/" + file:                 inOrg,
		"o-abcde12345/AWSLogs/o-abcde12345/111122223333/CloudTrail/eu-west-1/2026/11/03/" + file:    inOrg,
		"eu-west-1/2026/11/03/" + file:                                                              plain,
		"/home/me/AWSLogs/copy/" + file:                                                             plain,
		"some where/" + strings.TrimSuffix(file, ".gz"):                                             plain,
		"AWSLogs/444455556666/CloudTrail/us-east-1/2020/01/01/" + file:                              plain, // the name wins
		"000000000001_CloudTrail_us-gov-west-1_20261103T0000Z_a.json.gz":                            {"000000000001", "us-gov-west-1", at("2026-11-03 00:00"), ""},
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/x.json.gz":                            {"111122223333", "eu-west-1", at("2026-11-03 00:00"), ""},
		"AWSLogs/o-abcde12345/111122223333/CloudTrail/eu-west-1/2026/11/03/sub/x.json":              {"111122223333", "eu-west-1", at("2026-11-03 00:00"), "o-abcde12345"},
		"AWSLogs/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/20261399T0000Z_wrong.json.gz": {"111122223333", "eu-west-1", at("2026-11-03 00:00"), ""},
	} {
		if got, ok := ParseKey(key); !ok || got != want {
			t.Errorf("ParseKey(%q) = %+v, %v, want %+v", key, got, ok, want)
		}
	}
	for _, key := range []string{
		"", "/", "x.json.gz", "-",
		"11112222333_CloudTrail_eu-west-1_20261103T1205Z_a.json.gz",
		"111122223333_CloudTrail_eu-west-1_20261303T1205Z_a.json.gz",
		"111122223333_CloudTrail_../../x_20261103T1205Z_a.json.gz",
		"111122223333_CloudTrail-Digest_eu-west-1_20261103T1205Z_a.json.gz",
		"AWSLogs/111122223333/Config/eu-west-1/2026/11/03/x.json.gz",
		"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/03/x.json.gz",
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/13/03/x.json.gz",
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/x.json.gz",
		"AWSLogs/111122223333/CloudTrail/EU/2026/11/03/x.json.gz",
	} {
		if got, ok := ParseKey(key); ok {
			t.Errorf("ParseKey(%q) = %+v, want nothing", key, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, k := range append(append([]string{}, logs...), noLogs...) {
		f.Add(k)
	}
	f.Add("AWSLogs/o-abcde12345/111122223333/CloudTrail/eu-west-1/2026/11/03/x.json.gz")
	f.Fuzz(func(t *testing.T, key string) {
		isLog(key)
		name, ok := ParseKey(key)
		if !ok {
			if name != (Name{}) {
				t.Errorf("%q: not read, but %+v", key, name)
			}
			return
		}
		// What is read is in the key, and safe to build a path of.
		if !accountForm.MatchString(name.Account) || !regionForm.MatchString(name.Region) ||
			!strings.Contains(key, name.Account) || !strings.Contains(key, name.Region) || name.Delivered.Location() != time.UTC {
			t.Errorf("%q: %+v", key, name)
		}
		file := name.Account + "_CloudTrail_" + name.Region + "_" + name.Delivered.Format("20060102T1504Z") + "_a.json.gz"
		again, ok := ParseKey(file)
		if name.Organization = ""; !ok || again != name {
			t.Errorf("%q gives %+v, and the file %q %+v", key, name, file, again)
		}
	})
}

// Every log file of the corpus that lies under its real name is told by it.
func TestCorpusNames(t *testing.T) {
	root := os.Getenv("ATHENATRAIL_CORPUS")
	if root == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	objects, _ := list(t, parse(t, filepath.Join(root, "sans-504-s3-ransomware"), Deps{}), time.Time{}, time.Time{})
	if len(objects) < 100 {
		t.Errorf("%d log files", len(objects))
	}
	for _, o := range objects {
		if o.Account == "" || !strings.Contains(o.Key, "/"+o.Region+"/"+o.Delivered.Format("2006/01/02")+"/") {
			t.Fatalf("%+v", o)
		}
	}
}
