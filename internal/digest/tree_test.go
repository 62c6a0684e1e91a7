package digest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Digests are found from wherever somebody points, of single accounts and of
// organizations, and beside other folders.
func TestDiscover(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{
		"prod/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/11/02", "prod/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/02",
		"prod/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/02", "prod/AWSLogs/111122223333/Config/eu-west-1",
		"org/a/AWSLogs/o-abcd1234/444455556666/CloudTrail-Digest/eu-west-1/2026/11/02", "org/a/AWSLogs/o-abcd1234/123456789012/CloudTrail-Digest/eu-west-1/2026/11/02",
		"org/a/AWSLogs/o-abcd1234/notes", "other/deep/er/than/that/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.FromSlash(folder)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const one, org = "prod/AWSLogs/111122223333/", "org/a/AWSLogs/o-abcd1234/"
	f := func(from string, want ...string) {
		t.Helper()
		tree, err := newDirTree(filepath.Join(root, filepath.FromSlash(from)))
		if err != nil {
			t.Fatal(err)
		}
		regions, err := discover(t.Context(), tree)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range regions {
			name := strings.TrimPrefix(r.digests, filepath.ToSlash(root)+"/")
			got = append(got, name)
			if r.logs != strings.Replace(r.digests, "CloudTrail-Digest", "CloudTrail", 1) || !strings.Contains(name, "/"+r.account+"/CloudTrail-Digest/"+r.name+"/") || !strings.HasPrefix(r.digests, r.root+"AWSLogs/") {
				t.Errorf("%s: %+v", from, r)
			}
		}
		slices.Sort(got)
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
	}
	ireland, virginia := one+"CloudTrail-Digest/eu-west-1/", one+"CloudTrail-Digest/us-east-1/"
	members := []string{org + "444455556666/CloudTrail-Digest/eu-west-1/", org + "123456789012/CloudTrail-Digest/eu-west-1/"}
	f("prod", ireland, virginia)
	f("prod/AWSLogs", ireland, virginia)
	f("prod/AWSLogs/111122223333", ireland, virginia)
	f("prod/AWSLogs/111122223333/CloudTrail-Digest", ireland, virginia)
	f("prod/AWSLogs/111122223333/CloudTrail-Digest/us-east-1", virginia)
	f("prod/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11", virginia)
	f("prod/AWSLogs/111122223333/CloudTrail")
	f("org", members...)
	f("org/a/AWSLogs", members...)
	f("org/a/AWSLogs/o-abcd1234", members...)
	f("org/a/AWSLogs/o-abcd1234/444455556666", members[0])
	f(".", append(slices.Clone(members), ireland, virginia)...)
	f("other")
}
