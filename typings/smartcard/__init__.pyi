# pyscard is published without types; only what terminals.pcsc.connection uses of it is here.
