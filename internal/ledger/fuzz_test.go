package ledger

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// FuzzShard finds the ledger's file for any name of a log file, and reads any
// name as one. None lies beside the ledger's own folder or in one of another
// use.
func FuzzShard(f *testing.F) {
	f.Add("111122223333", "eu-west-1", "_ledger/v1/111122223333/eu-west-1/2026-11-03.parquet")
	f.Add("..", "../..", "_ledger/v1/../../x/2026-11-03.parquet")
	f.Add("limits", "boundary", "_ledger/v1/limits/boundary/2026-11-03.parquet")
	f.Add("dirty", "x", "_ledger/v1/other/zz.parquet")
	f.Add("other", "00", "_ledger/v1/other/../x.parquet")
	f.Fuzz(func(t *testing.T, account, region, name string) {
		for _, known := range []bool{true, false} {
			s := Shard{Account: account, Region: region, Day: athenatrail.Date(20000), Known: known}
			key := s.key(name)
			parts := strings.Split(key, "/")
			if !strings.HasPrefix(key, root) || strings.Contains(key, "..") || strings.ContainsAny(key, "\\\x00\n") {
				t.Fatalf("the key %q", key)
			}
			switch parts[2] {
			case "dirty", "open", "source", "asked", "boundary", "limits":
				t.Fatalf("the key %q lies in a folder of another use", key)
			}
			read, ok := parseShard(key)
			if !ok || read.Known && read != s {
				t.Fatalf("%q is read as %+v, %t", key, read, ok)
			}
		}
		if s, ok := parseShard(name); ok && s.Known && s.key("") != name {
			t.Fatalf("%q is read as %q", name, s.key(""))
		}
	})
}
