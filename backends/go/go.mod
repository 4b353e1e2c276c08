module hotcable

go 1.19
