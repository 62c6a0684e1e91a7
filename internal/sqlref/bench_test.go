package sqlref

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bi is a query as a BI tool writes it, of 1.1 kB.
const bi = `/* QuickSight 0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f */
SELECT "region" AS "region", date_trunc('month', "order_day") AS "month", COUNT(DISTINCT "customer_id") AS "customers",
  SUM(CASE WHEN "status" IN ('paid', 'shipped', 'done') THEN "amount" ELSE 0 END) AS "revenue", AVG("amount") AS "average"
FROM (
  SELECT o."region", o."order_day", o."customer_id", o."status", o."amount", c."segment", p."category"
  FROM "AwsDataCatalog"."sales"."orders" o
  LEFT JOIN "AwsDataCatalog"."sales"."customers" c ON o."customer_id" = c."id"
  INNER JOIN "AwsDataCatalog"."catalog"."products" p ON o."product_id" = p."id" AND p."valid_to" IS NULL
  WHERE o."order_day" BETWEEN DATE '2024-01-01' AND DATE '2024-06-30' AND o."country" IN ('DE', 'FR', 'IT', 'ES', 'NL')
) AS "source"
WHERE "segment" = 'business' AND "category" NOT IN (SELECT "category" FROM "sales"."excluded_categories" WHERE "active" = true)
GROUP BY "region", date_trunc('month', "order_day")
HAVING SUM("amount") > 1000
ORDER BY "month" ASC, "revenue" DESC
LIMIT 10000`

func inputs(b *testing.B) map[string]string {
	data, err := os.ReadFile(filepath.Join("testdata", "generated.sql"))
	if err != nil {
		b.Fatal(err)
	}
	list := "SELECT * FROM sales.orders WHERE id IN ('0'" + strings.Repeat(", 'customer-0001234'", 262144/20-4) + ")"
	return map[string]string{"bi": bi, "256KiB": string(data[:262144]), "256KiB_list": list}
}

func BenchmarkParse(b *testing.B) {
	for name, sql := range inputs(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(sql)
			}
		})
	}
}

func BenchmarkFingerprint(b *testing.B) {
	for name, sql := range inputs(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			b.ReportAllocs()
			for b.Loop() {
				Fingerprint(sql)
			}
		})
	}
}
