module cairn.test/tidb

go 1.25.12

require (
	cairn.test/harness v0.0.0
	github.com/go-sql-driver/mysql v1.7.1
)

replace cairn.test/harness => ../harness
