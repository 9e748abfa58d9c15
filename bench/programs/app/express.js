const express = require('express')
express().get('/', (req, res) => setTimeout(() => res.json({ pid: process.pid }), 2)).listen(Number(process.env.PORT), '127.0.0.1')
