module cairn.test/harness

go 1.23
